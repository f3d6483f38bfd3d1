//===- Masks.cpp - Numbers that are known, however they are made ----------===//

#include "Train/IR/Masks.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static constexpr int kMostDepth = 24;

void train::dropRepeated(Plane &plane) {
  int64_t inner = 1; // numbers behind the dimension
  for (size_t dim = plane.shape.size(); dim-- > 0;) {
    if (plane.strides[dim] == 0)
      continue;
    int64_t size = plane.shape[dim], block = size * inner;
    auto isRepeated = [&] {
      for (size_t at = 0; at < plane.numbers.size(); at += block)
        for (int64_t i = inner; i < block; ++i)
          if (plane.numbers[at + i] != plane.numbers[at + i - inner])
            return false;
      return true;
    };
    if (!isRepeated()) {
      inner = block;
      continue;
    }
    std::vector<float> kept;
    for (size_t at = 0; at < plane.numbers.size(); at += block)
      kept.insert(kept.end(), plane.numbers.begin() + at,
                  plane.numbers.begin() + at + inner);
    plane.numbers = std::move(kept);
    plane.strides[dim] = 0;
    for (size_t outer = 0; outer < dim; ++outer)
      plane.strides[outer] /= size;
  }
}

/// Integers that f32 has, and whose sums it has: positions, say.
static bool areExact(const Plane &plane) {
  return llvm::all_of(plane.numbers,
                      [](float number) { return std::abs(number) <= 1 << 23; });
}

static std::optional<Plane> readConstant(DenseElementsAttr elements) {
  Plane plane;
  plane.shape = llvm::to_vector(elements.getType().getShape());
  plane.strides.resize(plane.shape.size());
  bool isSplat = elements.isSplat();
  int64_t count = isSplat ? 1 : elements.getNumElements();
  if (elements.empty() || count > kMostNumbers)
    return std::nullopt;
  plane.numbers.reserve(count);
  auto take = [&](auto values) {
    for (int64_t i = 0; i < count; ++i)
      plane.numbers.push_back(static_cast<float>(values[i]));
  };
  Type type = elements.getElementType();
  if (type.isF32())
    take(elements.getValues<float>());
  else if (type.isInteger(1))
    take(elements.getValues<bool>());
  else if (type.isInteger(64))
    take(elements.getValues<int64_t>());
  else
    return std::nullopt;
  int64_t step = 1;
  for (size_t dim = plane.shape.size(); dim-- > 0 && !isSplat;) {
    plane.strides[dim] = plane.shape[dim] == 1 ? 0 : step;
    step *= plane.shape[dim];
  }
  if (type.isInteger(64) && !areExact(plane))
    return std::nullopt;
  dropRepeated(plane);
  return plane;
}

/// function(x, y, z) of the numbers of as many planes, which broadcast.
template <typename Function>
static std::optional<Plane>
combine(ArrayRef<std::shared_ptr<const Plane>> planes, ArrayRef<int64_t> shape,
        Function function) {
  Plane result;
  result.shape = llvm::to_vector(shape);
  result.strides.resize(shape.size());
  // Each plane's strides for the dimensions that any of them tells apart.
  SmallVector<int64_t> sizes;
  SmallVector<SmallVector<int64_t>> strides(planes.size());
  SmallVector<size_t> dims;
  int64_t count = 1;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    auto strideOf = [&](const Plane &plane) {
      size_t missing = shape.size() - plane.shape.size();
      return dim < missing ? 0 : plane.strides[dim - missing];
    };
    if (llvm::all_of(planes,
                     [&](const auto &plane) { return strideOf(*plane) == 0; }))
      continue;
    dims.push_back(dim);
    sizes.push_back(shape[dim]);
    for (auto [plane, own] : llvm::zip(planes, strides))
      own.push_back(strideOf(*plane));
    count *= shape[dim];
    if (count > kMostNumbers)
      return std::nullopt;
  }
  int64_t step = 1;
  for (size_t i = dims.size(); i-- > 0; step *= sizes[i])
    result.strides[dims[i]] = step;
  SmallVector<int64_t> at(dims.size(), 0), index(planes.size(), 0);
  result.numbers.reserve(count);
  SmallVector<float, 3> numbers(3, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    for (size_t p = 0; p < planes.size(); ++p)
      numbers[p] = planes[p]->numbers[index[p]];
    result.numbers.push_back(function(numbers[0], numbers[1], numbers[2]));
    // The next one, counting the last dimension first.
    for (size_t d = dims.size(); d-- > 0;) {
      for (size_t p = 0; p < planes.size(); ++p)
        index[p] += strides[p][d];
      if (++at[d] < sizes[d])
        break;
      at[d] = 0;
      for (size_t p = 0; p < planes.size(); ++p)
        index[p] -= strides[p][d] * sizes[d];
    }
  }
  return result;
}

/// Dimensions of size 1 come and go.
static std::optional<Plane> reshape(Plane plane, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 0);
  size_t from = 0;
  for (size_t to = 0; to < shape.size(); ++to) {
    while (from < plane.shape.size() && plane.shape[from] == 1)
      ++from;
    if (shape[to] == 1)
      continue;
    if (from == plane.shape.size() || plane.shape[from] != shape[to])
      return std::nullopt;
    strides[to] = plane.strides[from++];
  }
  plane.shape = llvm::to_vector(shape);
  plane.strides = std::move(strides);
  return plane;
}

/// The largest along the last dimension, which stays.
static std::optional<Plane> reduceMax(Plane plane, ReduceMaxOp op) {
  auto last = static_cast<int64_t>(plane.shape.size()) - 1;
  if (!op.getKeepdims() || op.getAxes() != ArrayRef<int64_t>{last})
    return std::nullopt;
  int64_t size = plane.shape.back();
  plane.shape.back() = 1;
  if (plane.strides.back() == 0)
    return plane;
  std::vector<float> largest;
  for (size_t row = 0; row < plane.numbers.size(); row += size)
    largest.push_back(*std::max_element(plane.numbers.begin() + row,
                                        plane.numbers.begin() + row + size));
  plane.numbers = std::move(largest);
  plane.strides.back() = 0;
  for (int64_t &stride : plane.strides)
    stride /= size;
  return plane;
}

static float compare(Predicate predicate, float x, float y) {
  switch (predicate) {
  case Predicate::eq:
    return x == y;
  case Predicate::ne:
    return x != y;
  case Predicate::lt:
    return x < y;
  case Predicate::le:
    return x <= y;
  case Predicate::gt:
    return x > y;
  case Predicate::ge:
    return x >= y;
  }
  llvm_unreachable("unknown predicate");
}

std::shared_ptr<const Plane> MaskReader::read(Value value, int depth) {
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  std::optional<Plane> plane;
  Operation *op = value.getDefiningOp();
  if (DenseElementsAttr elements; matchPattern(value, m_Constant(&elements)))
    plane = readConstant(elements);
  else if (op && depth < kMostDepth)
    plane = readOperation(op, depth);
  std::shared_ptr<const Plane> result;
  if (plane)
    result = std::make_shared<const Plane>(std::move(*plane));
  known[value] = result;
  return result;
}

std::optional<Plane> MaskReader::readOperation(Operation *op, int depth) {
  if (!isa<BroadcastToOp, ReshapeOp, CompareOp, AndOp, OrOp, XorOp, NotOp,
           SelectOp, ConvertOp, AddOp, SubOp, MulOp, NegOp, MaximumOp,
           ReduceMaxOp>(op))
    return std::nullopt;
  SmallVector<std::shared_ptr<const Plane>, 3> planes;
  for (Value operand : op->getOperands()) {
    planes.push_back(read(operand, depth + 1));
    if (!planes.back())
      return std::nullopt;
  }
  ArrayRef<int64_t> shape =
      cast<ShapedType>(op->getResult(0).getType()).getShape();
  if (llvm::is_contained(shape, 0))
    return std::nullopt;
  bool isInteger = getElementTypeOrSelf(op->getResult(0)).isInteger(64);
  auto combined = [&](auto function) -> std::optional<Plane> {
    std::optional<Plane> plane = combine(planes, shape, function);
    if (plane && isInteger && !areExact(*plane))
      return std::nullopt;
    return plane;
  };
  using Number = float;
  return llvm::TypeSwitch<Operation *, std::optional<Plane>>(op)
      .Case([&](ReshapeOp) { return reshape(*planes[0], shape); })
      .Case([&](CompareOp compares) {
        return combined([&](Number x, Number y, Number) {
          return compare(compares.getPredicate(), x, y);
        });
      })
      .Case([&](SelectOp) {
        return combined(
            [](Number x, Number y, Number z) { return x > 0 ? y : z; });
      })
      .Case([&](AndOp) {
        return combined([](Number x, Number y, Number) { return x && y; });
      })
      .Case([&](OrOp) {
        return combined([](Number x, Number y, Number) { return x || y; });
      })
      .Case([&](XorOp) {
        return combined([](Number x, Number y, Number) { return x != y; });
      })
      .Case([&](NotOp) {
        return combined([](Number x, Number, Number) { return !x; });
      })
      .Case([&](MaximumOp) {
        return combined(
            [](Number x, Number y, Number) { return std::max(x, y); });
      })
      .Case([&](ReduceMaxOp reduce) { return reduceMax(*planes[0], reduce); })
      .Case([&](NegOp) {
        return combined([](Number x, Number, Number) { return -x; });
      })
      .Case([&](AddOp) {
        return combined([](Number x, Number y, Number) { return x + y; });
      })
      .Case([&](SubOp) {
        return combined([](Number x, Number y, Number) { return x - y; });
      })
      .Case([&](MulOp) {
        return combined([](Number x, Number y, Number) { return x * y; });
      })
      .Case([&](ConvertOp convert) -> std::optional<Plane> {
        Type to = getElementTypeOrSelf(convert.getType()),
             from = getElementTypeOrSelf(convert.getInput().getType());
        if (isa<FloatType>(from) && !to.isInteger(1))
          return std::nullopt; // would be cut off
        bool isTruth = to.isInteger(1);
        return combined([=](Number x, Number, Number) {
          return isTruth ? Number(x != 0) : x;
        });
      })
      .Case([&](BroadcastToOp) {
        return combined([](Number x, Number, Number) { return x; });
      })
      .Default(std::optional<Plane>());
}
