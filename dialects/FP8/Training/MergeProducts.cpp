//===- MergeProducts.cpp - fp8-merge-products -----------------------------===//
//
// Queries, keys and values are products of one input, and so are a gated MLP's
// two. As one product of one parameter they read the input once, and their
// gradients come from one product each, with one scale. The parameter's parts
// keep their names: nobody outside of the program sees that it is one.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "FP8/Training/ModelParts.h"
#include "FP8/Training/Passes.h"
#include "FP8/Transforms/Recipe.h"
#include "Target/IR/Target.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_MERGEPRODUCTS
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

namespace {

/// `x · weight`, or `x · weight + bias`.
struct Product {
  train::MatmulOp matmul;
  train::ReadOp weight;
  train::AddOp sum;
  train::ReadOp bias;

  Value result() { return sum ? sum.getOutput() : matmul.getOutput(); }
  /// The weight's dimension that becomes the result's last.
  int64_t freeDim() { return 1 - matmul.getRhsContractingDims().front(); }
};

using Products = SmallVector<Product, 3>;

class Merger {
public:
  Merger(ModuleOp module, const Recipe &recipe)
      : module(module), symbols(module), evaluator(recipe, module),
        parts(module) {}
  void run();

private:
  std::optional<Product> getProduct(train::MatmulOp matmul);
  train::VariableOp getParameter(train::ReadOp read);
  bool isReadOnce(train::ReadOp read);
  Merge getMerge(Product product);
  bool isResult(Product product);
  SmallVector<Products> findGroups(func::FuncOp function);
  bool agree(Product a, Product b);
  bool agree(train::ReadOp a, train::ReadOp b, StringRef usedBy);
  StringAttr join(ArrayRef<train::ReadOp> parts, int64_t dim,
                  ArrayRef<StringRef> products);
  void merge(Products &group, StringAttr weight, StringAttr bias);
  void splitWeight(Products &group, StringAttr weight);

  ModuleOp module;
  SymbolTable symbols;
  RecipeEvaluator evaluator;
  ModelParts parts;
  /// Of a variable by a function; and by how many functions.
  DenseMap<std::pair<Operation *, StringAttr>, int64_t> reads;
  DenseMap<StringAttr, int64_t> readers;
  /// Variables of which more is known than who reads them: their moments, or
  /// what they are assigned.
  DenseSet<StringAttr> referred;
};

} // namespace

/// "h.0/attn/q+k+v.weight": what names share at either end stands once, up to
/// a '/' or '.'.
static std::string joinNames(ArrayRef<StringRef> names) {
  size_t front = 0, back = 0;
  StringRef first = names.front();
  if (llvm::is_contained(names, "")) // another compiler's, who names nothing
    return first.str();
  auto shared = [&](function_ref<char(StringRef)> get) {
    return llvm::all_of(
        names, [&](StringRef name) { return get(name) == get(first); });
  };
  size_t shortest = llvm::min_element(names, [](StringRef a, StringRef b) {
                      return a.size() < b.size();
                    })->size();
  for (size_t i = 0;
       i < shortest && shared([&](StringRef name) { return name[i]; }); ++i)
    if (first[i] == '/' || first[i] == '.')
      front = i + 1;
  for (size_t i = 1; i + front <= shortest && shared([&](StringRef name) {
                       return name[name.size() - i];
                     });
       ++i)
    if (char c = first[first.size() - i]; c == '/' || c == '.')
      back = i;
  std::string joined = first.take_front(front).str();
  for (auto [i, name] : llvm::enumerate(names))
    joined += (i ? "+" : "") + name.drop_front(front).drop_back(back).str();
  return joined + first.take_back(back).str();
}

/// By no other op of its function.
bool Merger::isReadOnce(train::ReadOp read) {
  return reads.lookup(
             {read->getParentOp(), read.getVariableAttr().getAttr()}) == 1;
}

train::VariableOp Merger::getParameter(train::ReadOp read) {
  auto variable = read ? symbols.lookup<train::VariableOp>(read.getVariable())
                       : train::VariableOp();
  bool isOne = variable && train::isModelParameter(variable.getRole()) &&
               isa<RankedTensorType>(variable.getType()) &&
               !isa<train::JoinedInitAttr>(variable.getInit()) &&
               read->hasOneUse() && isReadOnce(read) &&
               !referred.contains(variable.getSymNameAttr());
  return isOne ? variable : train::VariableOp();
}

std::optional<Product> Merger::getProduct(train::MatmulOp matmul) {
  Product product{
      matmul, matmul.getRhs().getDefiningOp<train::ReadOp>(), {}, {}};
  train::VariableOp weight = getParameter(product.weight);
  if (!weight || matmul.getBatch() != 0 ||
      fp8::getShape(weight.getType()).size() != 2 ||
      matmul.getRhsContractingDims().size() != 1 ||
      fp8::getShape(weight.getType())[product.freeDim()] % kPartMultiple)
    return std::nullopt;
  auto sum = matmul->hasOneUse() ? dyn_cast<train::AddOp>(*matmul->user_begin())
                                 : train::AddOp();
  if (!sum || sum.getType() != matmul.getType())
    return product;
  Value other = sum.getLhs() == matmul ? sum.getRhs() : sum.getLhs();
  auto read = other.getDefiningOp<train::ReadOp>();
  train::VariableOp bias = getParameter(read);
  // Broadcast along all dimensions but the last.
  if (bias && bias.getRole() == weight.getRole() &&
      fp8::getShape(bias.getType()) ==
          fp8::getShape(matmul.getType()).take_back(1)) {
    product.sum = sum;
    product.bias = read;
  }
  return product;
}

/// Does the recipe say the same of two parameters, and of what belongs to
/// them?
bool Merger::agree(train::ReadOp a, train::ReadOp b, StringRef usedBy) {
  if (!a || !b)
    return !a && !b;
  auto settings = [&](train::ReadOp read, train::Role role) {
    std::string name = read.getVariable().str();
    name += role == train::Role::gradient  ? ".grad"
            : role == train::Role::moment1 ? ".m"
            : role == train::Role::moment2 ? ".v"
                                           : "";
    VariableFacts facts;
    facts.name = name;
    facts.role = train::stringifyRole(role);
    facts.rank = fp8::getShape(read.getType()).size();
    facts.usedBy = usedBy;
    return evaluator.forVariable(facts);
  };
  return llvm::all_of(ArrayRef{train::Role::parameter, train::Role::gradient,
                               train::Role::moment1, train::Role::moment2},
                      [&](train::Role role) {
                        return sayTheSame(settings(a, role), settings(b, role));
                      });
}

/// What a recipe is asked about a product, or what becomes of it in backward.
static OpFacts getFacts(Product product, train::Phase phase) {
  OpFacts facts;
  facts.op = product.matmul->getName().getStringRef();
  facts.name = train::getName(product.matmul);
  facts.layer = train::getLayer(facts.name);
  facts.gemm = train::stringifyPhase(phase);
  facts.lhsRole = kActivation;
  facts.rhsRole = kWeight;
  return facts;
}

bool Merger::agree(Product a, Product b) {
  for (auto phase :
       {train::Phase::fwd, train::Phase::dgrad, train::Phase::wgrad}) {
    OpFacts ofA = getFacts(a, phase), ofB = getFacts(b, phase);
    for (StringRef role : {kActivation, kWeight, kGradient})
      for (StringRef side : {kLhs, kRhs}) {
        ofA.lhsRole = ofA.rhsRole = ofB.lhsRole = ofB.rhsRole = role;
        if (!sayTheSame(evaluator.forOperand(ofA, side, role),
                        evaluator.forOperand(ofB, side, role)) ||
            !sayTheSame(evaluator.forOp(ofA), evaluator.forOp(ofB)))
          return false;
      }
  }
  return agree(a.weight, b.weight, a.matmul->getName().getStringRef()) &&
         agree(a.bias, b.bias, train::AddOp::getOperationName());
}

Merge Merger::getMerge(Product product) {
  return evaluator.forOp(getFacts(product, train::Phase::fwd)).merge->value;
}

/// Logits, and whatever else leaves the model, are chunked and padded on their
/// own.
bool Merger::isResult(Product product) {
  return !parts.partOfOp(train::getName(product.matmul)).empty() ||
         llvm::any_of(product.result().getUsers(), [](Operation *user) {
           return user->hasTrait<OpTrait::IsTerminator>();
         });
}

/// Products of one input, in the order of the block, of two and more.
SmallVector<Products> Merger::findGroups(func::FuncOp function) {
  SmallVector<Products> groups;
  for (auto matmul : function.getBody().front().getOps<train::MatmulOp>()) {
    std::optional<Product> product = getProduct(matmul);
    if (!product || getMerge(*product) == Merge::None || isResult(*product))
      continue;
    auto role = [&](Product of) {
      return symbols.lookup<train::VariableOp>(of.weight.getVariable())
          .getRole();
    };
    auto *group = llvm::find_if(groups, [&](Products &others) {
      Product other = others.front();
      return other.matmul.getLhs() == matmul.getLhs() &&
             other.matmul.getLhsContractingDims() ==
                 matmul.getLhsContractingDims() &&
             other.freeDim() == product->freeDim() &&
             getElementTypeOrSelf(other.weight.getType()) ==
                 getElementTypeOrSelf(product->weight.getType()) &&
             !other.sum == !product->sum && role(other) == role(*product) &&
             // Keys and values of all layers may come from one encoder.
             train::getLayer(train::getName(other.matmul)) ==
                 train::getLayer(train::getName(matmul));
    });
    if (group != groups.end())
      group->push_back(*product);
    else
      groups.push_back({*product});
  }
  return groups;
}

/// One variable for several; its name.
StringAttr Merger::join(ArrayRef<train::ReadOp> parts, int64_t dim,
                        ArrayRef<StringRef> products) {
  MLIRContext *context = module.getContext();
  SmallVector<train::PartAttr> attrs;
  SmallVector<StringRef> names;
  SmallVector<train::VariableOp> variables;
  int64_t size = 0;
  for (auto [part, product] : llvm::zip_equal(parts, products)) {
    train::ReadOp read = part;
    auto variable = symbols.lookup<train::VariableOp>(read.getVariable());
    int64_t partSize = fp8::getShape(variable.getType())[dim];
    attrs.push_back(train::PartAttr::get(
        context, variable.getSymNameAttr(), partSize, variable.getInit(),
        StringAttr::get(context, product),
        variable->getAttrOfType<StringAttr>(train::kFileNameAttr),
        variable->hasAttr(train::kTransposedAttr)));
    names.push_back(variable.getSymName());
    variables.push_back(variable);
    size += partSize;
  }
  auto type = cast<RankedTensorType>(variables.front().getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = size;
  OpBuilder builder(variables.front());
  auto joined = train::VariableOp::create(
      builder, variables.front().getLoc(),
      builder.getStringAttr(joinNames(names)),
      TypeAttr::get(RankedTensorType::get(shape, type.getElementType())),
      variables.front().getRoleAttr(),
      train::JoinedInitAttr::get(context, dim, attrs), FlatSymbolRefAttr());
  symbols.insert(joined); // under another name, if there is one of this
  for (train::VariableOp variable : variables)
    symbols.erase(variable);
  return joined.getSymNameAttr();
}

static SmallVector<StringRef> getNames(ArrayRef<Product> group) {
  return llvm::map_to_vector(
      group, [](Product product) { return train::getName(product.matmul); });
}

/// Makes one product of those of a group.
void Merger::merge(Products &group, StringAttr weight, StringAttr bias) {
  train::MatmulOp first = group.front().matmul;
  OpBuilder builder(first);
  Location loc = first.getLoc();
  auto called = [&](auto op, Operation *like, StringRef name) {
    train::copyNameAndPhase(like, op);
    train::setName(op, name);
    return op;
  };
  auto read = [&](StringAttr variable, Operation *like) {
    Type type = symbols.lookup<train::VariableOp>(variable).getType();
    return called(train::ReadOp::create(builder, loc, type, variable), like,
                  variable);
  };
  std::string name = joinNames(getNames(group));
  Value whole =
      called(train::MatmulOp::create(builder, loc, first.getLhs(),
                                     read(weight, group.front().weight),
                                     first.getLhsContractingDims(),
                                     first.getRhsContractingDims()),
             first, name);
  if (bias) {
    train::AddOp sum = group.front().sum;
    whole =
        called(train::AddOp::create(builder, loc, whole.getType(), whole,
                                    read(bias, group.front().bias)),
               sum, joinNames(llvm::map_to_vector(group, [](Product product) {
                 return train::getName(product.sum);
               })));
  }
  auto types = llvm::map_to_vector(
      group, [](Product product) { return product.result().getType(); });
  int64_t lastDim = fp8::getShape(types.front()).size() - 1;
  auto split = called(
      train::SplitOp::create(builder, loc, types, whole, lastDim), first, name);
  for (auto [product, part] : llvm::zip_equal(group, split.getParts())) {
    product.result().replaceAllUsesWith(part);
    if (product.sum) {
      product.sum->erase();
      product.bias->erase();
    }
    product.matmul->erase();
    product.weight->erase();
  }
}

/// The parts of one parameter for the products of a group.
void Merger::splitWeight(Products &group, StringAttr weight) {
  train::ReadOp first = group.front().weight;
  OpBuilder builder(group.front().matmul);
  auto read = train::createFor<train::ReadOp>(
      builder, first, symbols.lookup<train::VariableOp>(weight).getType(),
      weight);
  train::setName(read, weight);
  auto types = llvm::map_to_vector(
      group, [](Product product) -> Type { return product.weight.getType(); });
  auto split = train::createFor<train::SplitOp>(
      builder, group.front().matmul, types, read, group.front().freeDim());
  train::setName(split, joinNames(getNames(group)));
  for (auto [product, part] : llvm::zip_equal(group, split.getParts())) {
    product.weight.replaceAllUsesWith(part);
    product.weight->erase();
  }
}

void Merger::run() {
  module.walk([&](train::ReadOp read) {
    StringAttr variable = read.getVariableAttr().getAttr();
    if (++reads[{read->getParentOp(), variable}] == 1)
      ++readers[variable];
  });
  module.walk([&](Operation *op) {
    if (!isa<train::ReadOp>(op))
      op->getAttrDictionary().walk([&](SymbolRefAttr symbol) {
        referred.insert(symbol.getRootReference());
      });
  });
  // What all functions that read these parameters do alike.
  llvm::MapVector<Attribute, SmallVector<Products>> alike;
  Builder builder(module.getContext());
  for (func::FuncOp function : train::getFunctions(module))
    for (Products &group : findGroups(function)) {
      // A recipe may tell them apart.
      while (group.size() > 1) {
        Products agreeing = {group.front()}, others;
        for (Product product : llvm::drop_begin(group))
          (agree(agreeing.front(), product) ? agreeing : others)
              .push_back(product);
        if (!others.empty())
          agreeing.front().matmul.emitRemark("stays apart from '")
              << train::getName(others.front().matmul)
              << "', a product of the same input: the recipe does not say the "
                 "same of both";
        // With the same biases, and of weights that lie alike.
        SmallVector<Attribute> key = {
            builder.getI64IntegerAttr(agreeing.front().freeDim())};
        for (Product product : agreeing) {
          key.push_back(product.weight.getVariableAttr());
          key.push_back(product.bias ? Attribute(product.bias.getVariableAttr())
                                     : builder.getUnitAttr());
        }
        if (agreeing.size() > 1)
          alike[builder.getArrayAttr(key)].push_back(agreeing);
        group = std::move(others);
      }
    }
  for (auto &[key, groups] : alike) {
    Products &first = groups.front();
    if (llvm::any_of(first, [&](Product product) {
          auto isElsewhere = [&](train::ReadOp read) {
            return read && readers.lookup(read.getVariableAttr().getAttr()) !=
                               static_cast<int64_t>(groups.size());
          };
          return isElsewhere(product.weight) || isElsewhere(product.bias);
        }))
      continue;
    bool isForward = getMerge(first.front()) == Merge::Forward;
    SmallVector<StringRef> names = getNames(first);
    auto weights = llvm::map_to_vector(
        first, [](Product product) { return product.weight; });
    auto biases = llvm::map_to_vector(
        first, [](Product product) { return product.bias; });
    StringAttr weight = join(weights, first.front().freeDim(), names), bias;
    if (first.front().bias && !isForward)
      bias = join(biases, 0, names);
    for (Products &group : groups)
      isForward ? splitWeight(group, weight) : merge(group, weight, bias);
  }
}

namespace {
struct MergeProducts : fp8::impl::MergeProductsBase<MergeProducts> {
  using Base::Base;
  void runOnProgram() override {
    FailureOr<Recipe> read = readRecipe(recipe, getOperation().getLoc());
    if (failed(read))
      return signalPassFailure();
    Merger(getOperation(), *read).run();
  }
};
} // namespace
