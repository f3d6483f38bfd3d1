//===- SourcePrinter.cpp - A program as C++ or CUDA C++ -------------------===//
//
// Both targets print the same text but for what their kernel libraries need to
// know besides: CUDA calls take the stream first, and row kernels their width
// as a constant, so that loops over a row unroll and stay in registers.
//
//===----------------------------------------------------------------------===//

#include "Target/Common/SourcePrinter.h"

#include "Exec/IR/Exec.h"
#include "Target/Common/KernelPrinter.h"
#include "Target/Common/Manifest.h"
#include "Target/Common/Names.h"
#include "core/Escape.h"
#include "core/Hyper.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;
using namespace fp8c::target;

static MemRefType typeOf(Value value) {
  return cast<MemRefType>(value.getType());
}

/// What constants are called. They stand outside of functions, each once,
/// however many functions use it.
using ConstantNames = llvm::MapVector<Attribute, std::string>;

/// Does the buffer begin with a scale and its inverse?
static bool isScale(Value buffer, const SymbolTable &symbols) {
  if (auto get = buffer.getDefiningOp<GetOp>())
    return symbols.lookup<VariableOp>(get.getVariable()).getRole() ==
               train::Role::scale &&
           get.getVariable().ends_with(".scale");
  return typeOf(buffer).getShape() == ArrayRef<int64_t>{kScalePairWords};
}

static void printConstant(ConstantOp constant, bool isCUDA, StringRef name,
                          raw_ostream &os) {
  os << (isCUDA ? "\n__device__ const " : "\nconst ")
     << getElementName(typeOf(constant).getElementType()) << " " << name
     << "[] = {";
  auto elements = cast<DenseElementsAttr>(constant.getValue());
  bool comma = false;
  if (isa<FloatType>(elements.getElementType())) {
    for (APFloat value : elements.getValues<APFloat>())
      os << (std::exchange(comma, true) ? ", " : "") << getFloatLiteral(value);
  } else {
    for (const APInt &value : elements.getValues<APInt>())
      os << (std::exchange(comma, true) ? ", " : "")
         << (value.getBitWidth() == 1   ? std::to_string(value.getZExtValue())
             : value.isMinSignedValue() ? getIntegerLiteral(value)
                                        : std::to_string(value.getSExtValue()));
  }
  os << "};\n";
}

namespace {
/// Prints one function of the program.
class FunctionPrinter {
public:
  FunctionPrinter(func::FuncOp function, Target target,
                  const SymbolTable &symbols, const ConstantNames &constants,
                  Scope names, raw_ostream &os)
      : function(function), isCUDA(target == Target::cuda),
        first(isCUDA ? "stream, " : ""), symbols(symbols), constants(constants),
        os(os), scope(std::move(names)) {
    for (auto &[value, name] : constants)
      scope.unique(name);
  }
  LogicalResult print();

private:
  void printSignature();
  void printComment(Operation *op, const Twine &detail);
  void declare(Value value, StringRef name, const Twine &initializer);
  LogicalResult printOp(Operation &op);
  void print(GemmOp op);
  void print(CopyOp op);
  void print(LaunchOp op);
  void print(LaunchMultiOp op);
  void printUpdateScales(CallOp op);
  LogicalResult print(CallOp op);
  /// A pointer expression for a buffer.
  std::string use(Value value) { return names.lookup(value); }
  std::string list(ValueRange values);

  func::FuncOp function;
  bool isCUDA;
  StringRef first; // argument of every library call
  const SymbolTable &symbols;
  const ConstantNames &constants;
  raw_ostream &os;
  DenseMap<Value, std::string> names;
  Scope scope;
};
} // namespace

static int64_t getInteger(Operation *op, StringRef name) {
  return op->getAttrOfType<IntegerAttr>(name).getInt();
}

std::string FunctionPrinter::list(ValueRange values) {
  std::string text;
  for (auto [i, value] : llvm::enumerate(values))
    text += (i ? ", " : "") + use(value);
  return text;
}

void FunctionPrinter::printComment(Operation *op, const Twine &detail) {
  std::string name = runtime::commentText(train::getName(op)), phase;
  if (train::isBackward(op))
    phase = (" (" + train::stringifyPhase(*train::getPhase(op)) + ")").str();
  std::string comment =
      name.empty() ? detail.str() + phase : name + phase + ": " + detail.str();
  // Profiles show the comment as the name of what follows.
  os << (isCUDA ? "\n  stream.op(" + runtime::cppLiteral(comment) + ");\n"
                : "\n  // " + comment + "\n");
}

void FunctionPrinter::declare(Value value, StringRef name,
                              const Twine &initializer) {
  std::string variable = scope.unique(name);
  names[value] = variable;
  std::string element = getElementName(typeOf(value).getElementType());
  os << "  auto *" << variable << " = " << initializer << "; // " << element
     << " " << getShapeText(typeOf(value).getShape()) << "\n";
}

void FunctionPrinter::printSignature() {
  unsigned inputs = getInteger(function, kInputsAttr);
  auto name = [&](unsigned index) {
    auto attr = function.getArgAttrOfType<StringAttr>(index, train::kNameAttr);
    return attr ? toIdentifier(attr.getValue())
                : (index < inputs ? "in" : "out") + std::to_string(index);
  };
  os << "// " << function.getName() << "(";
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
    os << (i == inputs ? (inputs ? ") -> (" : "")
           : i         ? ", "
                       : "")
       << name(i) << " "
       << getShapeText(
              cast<MemRefType>(function.getArgumentTypes()[i]).getShape());
  os << ")\n";
  if (auto peak = function->getAttrOfType<IntegerAttr>(kPeakAttr))
    os << "// Temporaries: " << peak.getInt() << " bytes; at least "
       << getInteger(function, kLowerBoundAttr) << " live at once.\n";
  os << "extern \"C\" void fp8c_" << function.getName()
     << "(const Fp8cCall *call) {\n";
  if (isCUDA)
    os << "  const Stream stream(call);\n";
  for (auto [index, argument] : llvm::enumerate(function.getArguments())) {
    std::string element = getElementName(typeOf(argument).getElementType());
    bool isInput = index < inputs;
    declare(argument, name(index),
            "static_cast<" + Twine(isInput ? "const " : "") + element +
                " *>(call->" +
                (isInput ? "inputs[" + Twine(index)
                         : "outputs[" + Twine(index - inputs)) +
                "])");
  }
}

/// A buffer's name after what computes it; gradients are called d_….
static std::string bufferName(Operation *op) {
  StringRef name = train::getName(op);
  if (name.contains(" + "))
    name = name.rsplit(" + ").second;
  std::string result = name.empty() ? "t" : toIdentifier(name);
  return train::isBackward(op) ? "d_" + result : result;
}

/// An argument that says whether to add to what is there.
static StringRef getAccumulate(bool accumulate, bool unlessFirst) {
  return !accumulate ? "false" : unlessFirst ? "call->accumulate != 0" : "true";
}

/// The enumerator of kernels/common/tiles.h.
static std::string getGranularityName(StringRef granularity) {
  bool isBlock = granularity.contains('x');
  return ("Granularity::" + (isBlock ? "block_" + granularity : granularity))
      .str();
}

void FunctionPrinter::print(GemmOp op) {
  printComment(op, "[" + Twine(op.getM()) + ", " + Twine(op.getK()) + "] x [" +
                       Twine(op.getK()) + ", " + Twine(op.getN()) + "]");
  os << "  gemm(" << first << "{.m = " << op.getM() << ", .n = " << op.getN()
     << ", .k = " << op.getK();
  if (op.getTransposeA())
    os << ", .transpose_a = true";
  if (op.getTransposeB())
    os << ", .transpose_b = true";
  if (op.getBatch() != 1)
    os << ", .batch = " << op.getBatch()
       << ", .stride_a = " << op.getM() * op.getK()
       << ", .stride_b = " << op.getK() * op.getN()
       << ", .stride_c = " << op.getM() * op.getN();
  if (isCUDA && op.getFastAccum())
    os << ", .fast_accum = true";
  if (auto granularity = op.getGranularityA())
    os << (isCUDA ? ",\n                .granularity_a = "
                  : ",\n        .granularity_a = ")
       << getGranularityName(*granularity);
  if (auto granularity = op.getGranularityB())
    os << ", .granularity_b = " << getGranularityName(*granularity);
  bool isLong = op.getGranularityA() || op.getGranularityB();
  os << (isLong ? "},\n       " : "}, ") << use(op.getA()) << ", "
     << use(op.getB()) << ", " << use(op.getC());
  auto scale = [&](Value scales, std::optional<StringRef> granularity) {
    return granularity ? use(scales)
           : scales    ? "scale_inv(" + use(scales) + ")"
                       : "nullptr";
  };
  if (op.getAccumulate() || op.getScaleA() || op.getScaleB() ||
      op.getWorkspace() || op.getBias())
    os << ", /*accumulate=*/"
       << getAccumulate(op.getAccumulate(), op.getUnlessFirst());
  if (op.getScaleA() || op.getScaleB() || op.getWorkspace() || op.getBias())
    os << ",\n       " << (op.getScaleA() ? "" : "/*scale_inv=*/")
       << scale(op.getScaleA(), op.getGranularityA()) << ", "
       << scale(op.getScaleB(), op.getGranularityB());
  if (op.getWorkspace())
    os << ", " << use(op.getWorkspace());
  if (op.getBias())
    os << ", /*bias=*/" << use(op.getBias());
  os << ");\n";
}

void FunctionPrinter::print(CopyOp op) {
  auto braces = [](ArrayRef<int64_t> numbers) {
    std::string text = "{";
    for (auto [i, number] : llvm::enumerate(numbers))
      text += (i ? ", " : "") + std::to_string(number);
    return text + "}";
  };
  MemRefType source = typeOf(op.getSource()), target = typeOf(op.getTarget());
  printComment(op, "copy " + getShapeText(source.getShape()));
  // A scalar is a vector of one.
  SmallVector<int64_t> shape(source.getShape());
  SmallVector<int64_t> from(source.getStridesAndOffset().first),
      to(target.getStridesAndOffset().first);
  if (shape.empty()) {
    shape = {1};
    from = to = {1};
  }
  os << "  copy(" << first << use(op.getSource()) << ", " << use(op.getTarget())
     << ", " << braces(shape) << ", " << braces(from) << ", " << braces(to)
     << ");\n";
}

/// Template arguments of the library's kernels that work on blocks of rows.
/// Without sums to say of how many, tiles are as high as a cache line of a
/// transposed copy is long, or as shared memory allows. Two lines high for many
/// matrices: updates run on half as many blocks, and take 3 % longer with one.
static std::string getTileArguments(AcrossRows across,
                                    std::optional<int64_t> cols = {},
                                    bool multi = false) {
  int64_t rows = 32;
  if (across.sumRows)
    rows = across.sumRows;
  else if (!cols)
    rows = (multi ? 256 : 128) / llvm::PowerOf2Ceil(across.transposedCopies);
  return "<" + (cols ? std::to_string(*cols) + ", " : "") + "/*copies=*/" +
         std::to_string(across.transposedCopies) + ", /*block_rows=*/" +
         std::to_string(rows) + ">";
}

void FunctionPrinter::print(LaunchOp op) {
  auto kernel = symbols.lookup<KernelOp>(op.getKernel());
  train::Skeleton skeleton = kernel.getSkeleton();
  printComment(op,
               "[" + Twine(op.getRows()) + ", " + Twine(op.getCols()) + "]");
  std::string type = toTypeName(op.getKernel());
  ValueRange buffers = op.getBuffers();
  bool sums = skeleton == train::Skeleton::sum,
       rows = skeleton == train::Skeleton::rows;
  AcrossRows across = getAcrossRows(kernel);
  bool tiles = isCUDA && across && isElementwise(kernel);
  os << "  "
     << (tiles ? StringRef("tiles") : train::stringifySkeleton(skeleton));
  // Transposed copies and partial sums need many rows in one block.
  if (tiles)
    os << getTileArguments(across);
  else if (isCUDA && across)
    os << "_tiled" << getTileArguments(across, op.getCols());
  else if (isCUDA && rows)
    os << "<" << op.getCols() << ">";
  else if (across.sumRows)
    os << "_summed</*block_rows=*/" << across.sumRows << ">";
  os << "(" << first << type << "{"
     << list(sums ? buffers.drop_back() : buffers)
     << (dependsOnMicroBatch(kernel) ? ", call->accumulate != 0" : "") << "}, ";
  if (skeleton == train::Skeleton::map || sums)
    os << op.getRows() * op.getCols();
  else if (isCUDA && rows && !tiles)
    os << op.getRows();
  else
    os << op.getRows() << ", " << op.getCols();
  if (sums)
    os << ", " << use(buffers.back());
  os << ");\n";
}

/// Text of `count` entries, one a line.
static std::string getTable(size_t count,
                            function_ref<std::string(size_t)> entry) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i)
    text += (i ? ",\n        " : "\n        ") + entry(i);
  return text + "}";
}

void FunctionPrinter::print(LaunchMultiOp op) {
  auto kernel = symbols.lookup<KernelOp>(op.getKernel());
  bool sums = kernel.getSkeleton() == train::Skeleton::sum;
  size_t count = op.getNumMatrices();
  printComment(op, op.getKernel() + ": " + Twine(count) + " matrices");
  std::string type = toTypeName(op.getKernel());
  os << "  {\n    const " << type << " tensors[] = "
     << getTable(count,
                 [&](size_t i) {
                   ValueRange buffers = op.getBuffersOf(i);
                   return "{" + list(sums ? buffers.drop_back() : buffers) +
                          "}";
                 })
     << ";\n";
  auto numbers = [&](StringRef name, function_ref<int64_t(size_t)> get) {
    os << "    const int64_t " << name << "[] = {";
    for (size_t i = 0; i < count; ++i)
      os << (i ? ", " : "") << get(i);
    os << "};\n";
  };
  bool rows = kernel.getSkeleton() == train::Skeleton::rows;
  bool matrices = rows || kernel.getSkeleton() == train::Skeleton::columns;
  if (matrices) {
    numbers("rows", [&](size_t i) { return op.getRows()[i]; });
    numbers("cols", [&](size_t i) { return op.getCols()[i]; });
  } else {
    numbers("sizes",
            [&](size_t i) { return op.getRows()[i] * op.getCols()[i]; });
  }
  if (sums)
    os << "    float *const totals[] = " << getTable(count, [&](size_t i) {
      return use(op.getBuffersOf(i).back());
    }) << ";\n";
  os << "    ";
  if (rows && isCUDA)
    os << "tiles_multi"
       << getTileArguments(getAcrossRows(kernel), {}, /*multi=*/true);
  else
    os << train::stringifySkeleton(kernel.getSkeleton()) << "_multi";
  os << "(" << first << "tensors, " << (matrices ? "rows, cols, " : "sizes, ")
     << (sums ? "totals, " : "") << count << ");\n  }\n";
}

void FunctionPrinter::printUpdateScales(CallOp op) {
  static constexpr StringLiteral scalars[] = {
      "coefficient", "lr", "beta1", "beta2", "weight_decay", "step", "seed"};
  ValueRange in = op.getInputs(), out = op.getOutputs();
  ArrayRef<int64_t> roles = op->getAttrOfType<DenseI64ArrayAttr>("roles");
  ArrayRef<bool> decays = op->getAttrOfType<DenseBoolArrayAttr>("decays"),
                 roots = op->getAttrOfType<DenseBoolArrayAttr>("roots");
  auto formats = op->getAttrOfType<ArrayAttr>("formats"),
       gradientFormats = op->getAttrOfType<ArrayAttr>("gradient_formats");
  auto maximum = [](Attribute format) {
    auto type = dyn_cast<TypeAttr>(format);
    return type ? getFloatLiteral(APFloat::getLargest(
                      cast<FloatType>(type.getValue()).getFloatSemantics()))
                : "0.0f";
  };
  size_t count = roles.size();
  os << "  {\n    const ScaleUpdate updates[] = "
     << getTable(count,
                 [&](size_t i) {
                   auto role = static_cast<train::Role>(roles[i]);
                   std::string name = role == train::Role::moment1 ? "moment1"
                                      : role == train::Role::moment2
                                          ? "moment2"
                                          : "parameter";
                   std::string gradient = use(in[7 + i]);
                   if (isa<UnitAttr>(gradientFormats[i]))
                     gradient = "as<const float>(" + gradient + ")";
                   std::string text =
                       "{.role = ScaleUpdate::" + name +
                       ", .decays = " + (decays[i] ? "true" : "false") +
                       ", .root = " + (roots[i] ? "true" : "false") +
                       ", .max = " + maximum(formats[i]) +
                       ", .gradient = " + gradient +
                       ", .gradient_max = " + maximum(gradientFormats[i]) +
                       ", .pair = " + use(out[3 + 2 * i]) +
                       ", .stats = " + use(out[4 + 2 * i]) +
                       ", .previous = " + use(out[2]) + " + " +
                       std::to_string(kScalePairWords * i) + "}";
                   return text;
                 })
     << ";\n";
  ValueRange cleared = out.drop_front(3 + 2 * count);
  os << "    Stats *const cleared[] = "
     << getTable(cleared.size(), [&](size_t i) { return use(cleared[i]); })
     << ";\n    update_scales(" << first << "updates, " << count
     << ", cleared, " << cleared.size() << ",\n                  {";
  for (auto [i, name] : llvm::enumerate(scalars))
    os << (i ? ", " : "") << "." << name << " = " << use(in[i]);
  os << "}, " << use(out[0]) << ", " << use(out[1]) << ");\n  }\n";
}

LogicalResult FunctionPrinter::print(CallOp op) {
  StringRef callee = op.getCallee();
  auto integer = [&](StringRef name) { return getInteger(op, name); };
  auto flag = [&](StringRef name) {
    return op->hasAttr(name) ? "true" : "false";
  };
  auto format = [&] {
    return getElementName(op->getAttrOfType<TypeAttr>("format").getValue());
  };
  // Elements from one token to the next.
  auto stride = [&](Value value) {
    return typeOf(value).getStridesAndOffset().first[1];
  };
  ValueRange in = op.getInputs(), out = op.getOutputs();
  StringRef accumulate = getAccumulate(op->hasAttr(kAccumulateAttr),
                                       op->hasAttr(kUnlessFirstAttr));
  std::string arguments =
      list(in) + (in.empty() || out.empty() ? "" : ", ") + list(out);
  bool isOfScales = callee == "advance_scale" || callee == "compute_scale";
  printComment(op, isOfScales && out.size() > 1
                       ? callee.str() + ": " + std::to_string(out.size())
                       : callee.str());
  if (callee == "attention" || callee == "attention_backward") {
    if (isCUDA && op->hasAttr("v_head_dim"))
      return op.emitOpError("has value heads of another width than key heads, "
                            "which only the CPU's kernels can do: compile with "
                            "--target cpu");
    unsigned q = callee == "attention" ? 0 : 1;
    os << "  " << callee << "(" << first << "{.batch = " << integer("batch")
       << ", .seq = " << integer("seq") << ", .heads = " << integer("heads")
       << ", .kv_heads = " << integer("kv_heads")
       << ", .head_dim = " << integer("head_dim")
       << ",\n             .q_stride = " << stride(in[q])
       << ", .k_stride = " << stride(in[q + 1])
       << ", .v_stride = " << stride(in[q + 2])
       << ", .o_stride = " << stride(q ? in[4] : out[0])
       << ",\n             .scale = "
       << getFloatLiteral(op->getAttrOfType<FloatAttr>("scale").getValue())
       << ", .causal = " << flag("causal")
       << ", .kv_seq = " << integer("kv_seq");
    if (op->hasAttr("v_head_dim"))
      os << ", .v_head_dim = " << integer("v_head_dim");
    if (op->hasAttr("parts"))
      os << ", .parts = " << integer("parts");
    os << "},\n            ";
    // The library takes q, k, v, o, lse, do.
    if (q)
      os << list(in.drop_front()) << ", " << use(in[0]) << ", " << list(out);
    else
      os << arguments;
    if (q && out.size() > 3) // and a workspace
      os << ", /*workspace_bytes=*/" << getByteSize(typeOf(out[3]));
    os << ");\n";
  } else if (callee == "rotary") {
    os << "  rotary(" << first << arguments
       << ",\n         {.batch = " << integer("batch")
       << ", .seq = " << integer("seq") << ", .heads = " << integer("heads")
       << ", .head_dim = " << integer("head_dim")
       << ", .rotary_dim = " << integer("rotary_dim")
       << ", .interleaved = " << flag("interleaved")
       << ", .inverse = " << flag("inverse")
       << ", .x_stride = " << stride(in[0])
       << ", .y_stride = " << stride(out[0])
       << ", .batched_angles = " << flag("batched_angles") << "});\n";
  } else if (callee == "embedding") {
    os << "  embedding(" << first << arguments << ", " << integer("n") << ", "
       << integer("width") << ", " << integer("rows") << ");\n";
  } else if (callee == "embedding_backward") {
    os << "  embedding_backward(" << first << arguments << ", " << integer("n")
       << ", " << integer("width") << ", " << integer("rows")
       << ", /*accumulate=*/" << accumulate << ");\n";
  } else if (callee.starts_with("gather_elements")) {
    os << "  " << callee << "(" << first << arguments << ", /*rows=*/"
       << integer("rows") << ", /*count=*/" << integer("count")
       << ", /*width=*/" << integer("width") << ");\n";
  } else if (callee == "sum_rows" || callee == "max_rows") {
    os << "  " << callee << "(" << first << arguments << ", /*rows=*/"
       << integer("rows") << ", /*cols=*/" << integer("cols") << ");\n";
  } else if (callee == "count_labels") {
    os << "  count_labels(" << first << arguments << ", /*rows=*/"
       << integer("rows") << ", /*ignore_index=*/" << integer("ignore_index")
       << ");\n";
  } else if (callee == "mean_loss") {
    os << "  mean_loss(" << first << arguments << ", /*rows=*/"
       << integer("rows") << ");\n";
  } else if (callee.starts_with("cross_entropy")) {
    os << "  " << callee << "(" << first << arguments << ",\n      /*rows=*/"
       << integer("rows") << ", /*classes=*/"
       << (op->hasAttr("width")
               ? "PaddedClasses{" + std::to_string(integer("classes")) + ", " +
                     std::to_string(integer("width")) + "}"
               : std::to_string(integer("classes")))
       << ", /*ignore_index=*/" << integer("ignore_index") << ");\n";
  } else if (callee == "clip_coefficient") {
    os << "  const float *sums[] = {" << list(in.drop_front()) << "};\n"
       << "  clip_coefficient(" << first << "sums, " << in.size() - 1 << ", "
       << use(in[0]) << ", " << list(out) << ");\n";
  } else if (callee == "accumulate") {
    os << "  map(" << first << "AccumulateKernel{" << arguments << ", "
       << accumulate << "}, " << integer("n") << ");\n";
  } else if (callee == "clear_if_first") {
    os << "  if (!call->accumulate)\n    fill(" << first << arguments << ", "
       << integer("n") << ", 0.0f);\n";
  } else if (callee == "compute_scale") {
    os << "  {\n    const Stats *const amaxes[] = "
       << getTable(in.size(), [&](size_t i) { return use(in[i]); })
       << ";\n    float *const pairs[] = "
       << getTable(out.size(), [&](size_t i) { return use(out[i]); })
       << ";\n    compute_scales<" << format() << ">(" << first
       << "amaxes, pairs, " << out.size() << ", /*margin=*/"
       << integer("margin") << ", /*pow2=*/" << flag("pow2") << ", /*poison=*/"
       << flag("poison") << ");\n  }\n";
  } else if (callee == "quantize_tiles") {
    os << "  quantize_tiles(" << first
       << "{.matrix = {.rows = " << integer("rows")
       << ", .cols = " << integer("cols")
       << ", .tile_rows = " << integer("tile_rows")
       << ", .tile_cols = " << integer("tile_cols") << "}";
    if (integer("margin"))
      os << ", .margin = " << integer("margin");
    os << ", .pow2 = " << flag("pow2");
    if (op->hasAttr("transposed"))
      os << ", .transposed = true";
    os << "},\n                 " << arguments << ");\n";
  } else if (callee == "update_scales") {
    printUpdateScales(op);
  } else if (callee == "record_stats") {
    os << "  record_stats(" << first << "scale_state(" << use(out[0]) << "), "
       << use(in[0]) << ");\n";
  } else if (callee == "advance_scale") {
    os << "  {\n    ScaleState *const states[] = "
       << getTable(out.size(),
                   [&](size_t i) { return "scale_state(" + use(out[i]) + ")"; })
       << ";\n    advance_scales<" << format() << ">(" << first << "states, "
       << out.size() << ", /*window=*/" << integer("window") << ", /*margin=*/"
       << integer("margin") << ", /*pow2=*/" << flag("pow2") << ");\n  }\n";
  } else {
    return op.emitOpError("the kernel library knows no function \"")
           << callee << "\"";
  }
  return success();
}

LogicalResult FunctionPrinter::printOp(Operation &op) {
  if (auto get = dyn_cast<GetOp>(op)) {
    auto variable = symbols.lookup<VariableOp>(get.getVariable());
    std::string element = getElementName(typeOf(get).getElementType());
    declare(get, toIdentifier(get.getVariable()),
            "at<" + element + ">(call->variables, " +
                Twine(variable.getOffset()) + ")");
  } else if (auto alloc = dyn_cast<AllocOp>(op)) {
    if (!alloc.getOffset())
      return alloc.emitOpError("has no offset: run exec-plan-memory");
    declare(alloc, bufferName(alloc),
            "at<" + getElementName(typeOf(alloc).getElementType()) +
                ">(call->arena, " + Twine(*alloc.getOffset()) + ")");
  } else if (auto view = dyn_cast<ViewOp>(op)) {
    std::string from =
        getElementName(typeOf(view.getSource()).getElementType());
    std::string to = getElementName(typeOf(view).getElementType());
    std::string source = use(view.getSource());
    int64_t offset = view.getOffset();
    if (to == "Stats" && from == "float")
      source = "pending_stats(" + source + ")", offset = 0;
    else if (isScale(view.getSource(), symbols) && offset == kScaleInverseWord)
      source = "scale_inv(" + source + ")", offset = 0;
    else if (from != to)
      source = "as<" + to + ">(" + source + ")";
    if (offset)
      source += " + " + std::to_string(offset);
    names[view] = source;
  } else if (auto hyper = dyn_cast<HyperOp>(op)) {
    names[hyper] = "&call->hyper[hyper::" + hyper.getSymbol().str() + "]";
  } else if (auto constant = dyn_cast<ConstantOp>(op)) {
    const std::string &name = constants.find(constant.getValue())->second;
    names[constant] = isCUDA ? scope.unique("constant") : name;
    if (isCUDA)
      os << "  const auto *" << names[constant] << " = device_address(" << name
         << ");\n";
  } else if (auto gemm = dyn_cast<GemmOp>(op)) {
    if (gemm.getBias() && !isCUDA)
      return gemm.emitOpError("adds a bias, which the CPU's library cannot: "
                              "run convert-to-exec without gemm-bias");
    print(gemm);
  } else if (auto copy = dyn_cast<CopyOp>(op)) {
    print(copy);
  } else if (auto fill = dyn_cast<FillOp>(op)) {
    MemRefType type = typeOf(fill.getTarget());
    if (getElementName(type.getElementType()) == "Stats")
      os << "  clear(" << first << use(fill.getTarget()) << ");\n";
    else
      os << "  fill(" << first << use(fill.getTarget()) << ", "
         << type.getNumElements() << ", " << getFloatLiteral(fill.getValue())
         << ");\n";
  } else if (auto launch = dyn_cast<LaunchOp>(op)) {
    print(launch);
  } else if (auto launch = dyn_cast<LaunchMultiOp>(op)) {
    print(launch);
  } else if (auto call = dyn_cast<CallOp>(op)) {
    return print(call);
  } else if (!isa<func::ReturnOp>(op)) {
    return op.emitOpError("cannot be emitted: run convert-to-exec");
  }
  return success();
}

LogicalResult FunctionPrinter::print() {
  os << "\n";
  printSignature();
  for (Operation &op : function.getBody().front())
    if (failed(printOp(op)))
      return failure();
  os << "}\n";
  return success();
}

static void printPrelude(ModuleOp module, Target target, raw_ostream &os) {
  auto text = [&](StringRef name, StringRef otherwise) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return runtime::commentText(attr ? attr.getValue() : otherwise);
  };
  bool isCUDA = target == Target::cuda;
  os << "// " << text(train::kModelAttr, "model") << " with recipe "
     << text(fp8::kRecipeAttr, "f32") << ", emitted by fp8c for "
     << (isCUDA ? "CUDA" : "the CPU") << ".\n"
     << "// Kernels first, then the program's functions in the order in which "
        "they work.\n\n"
     << "#include \"core/ProgramABI.h\"\n"
     << "#include \"kernels/" << (isCUDA ? "cuda/kernels.cuh" : "cpu/kernels.h")
     << "\"\n\n"
     << "namespace fp8c {\nnamespace {\n\n"
     << "// Places in Fp8cCall::hyper.\nnamespace hyper {\nenum {";
  for (auto [i, name] : llvm::enumerate(runtime::hyperNames))
    os << (i ? ", " : " ") << name;
  os << " };\n}\n";
}

LogicalResult fp8c::target::printSource(ModuleOp module, Target target,
                                        raw_ostream &os) {
  SymbolTable symbols(module);
  printPrelude(module, target, os);
  for (auto kernel : module.getOps<KernelOp>()) {
    os << "\n";
    printKernel(kernel, target == Target::cuda, os);
  }
  ConstantNames constants;
  module.walk([&](ConstantOp constant) {
    auto [entry, isNew] = constants.try_emplace(
        constant.getValue(), "constant_" + std::to_string(constants.size()));
    if (isNew)
      printConstant(constant, target == Target::cuda, entry->second, os);
  });
  os << "\n} // namespace\n\nextern \"C\" int fp8c_program_abi() { return "
        "FP8C_PROGRAM_ABI; }\n\n"
        "// What manifest.json must say.\n"
        "extern \"C\" const char *fp8c_program_contract() {\n  return R\"("
     << getContract(module) << ")\";\n}\n";
  for (auto function : module.getOps<func::FuncOp>())
    if (failed(printScope(os, [&](Scope names, raw_ostream &os) {
          return FunctionPrinter(function, target, symbols, constants,
                                 std::move(names), os)
              .print();
        })))
      return failure();
  os << "\n} // namespace fp8c\n";
  return success();
}
