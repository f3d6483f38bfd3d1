//===- Constant.cpp - Tensors whose elements are known --------------------===//

#include "Import/ONNX/Constant.h"

using namespace mlir;

namespace fp8c {

std::optional<int64_t> countElements(ArrayRef<int64_t> shape) {
  constexpr int64_t limit = int64_t(1) << 40;
  int64_t count = 1;
  for (int64_t dim : shape)
    if (dim < 0 || dim > limit)
      return std::nullopt;
  // A dimension of size 0 makes up for whatever the others multiply to.
  if (llvm::is_contained(shape, 0))
    return 0;
  for (int64_t dim : shape) {
    if (count > limit / dim)
      return std::nullopt;
    count *= dim;
  }
  return count;
}

SmallVector<int64_t> rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i])
    strides[i] = stride;
  return strides;
}

Constant::Constant(RankedTensorType type, std::vector<float> floats)
    : tensorType(type), floatElements(std::move(floats)) {
  assert(isFloat() && int64_t(floatElements.size()) == size());
}

Constant::Constant(RankedTensorType type, std::vector<int64_t> integers)
    : tensorType(type), integerElements(std::move(integers)) {
  assert(!isFloat() && int64_t(integerElements.size()) == size());
}

bool Constant::isSplat() const {
  // Bits, not values, so that NaN equals itself and -0 differs from 0.
  auto same = [](auto elements) {
    return llvm::all_of(elements, [&](const auto &element) {
      // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
      return !std::memcmp(&element, elements.begin(), sizeof element);
    });
  };
  return isFloat() ? same(floats()) : same(integers());
}

Constant Constant::take(ArrayRef<int64_t> shape,
                        ArrayRef<int64_t> indices) const {
  auto type = RankedTensorType::get(shape, tensorType.getElementType());
  auto pick = [&](const auto &elements) {
    std::decay_t<decltype(elements)> taken;
    taken.reserve(indices.size());
    for (int64_t index : indices)
      taken.push_back(elements[index]);
    return Constant(type, std::move(taken));
  };
  return isFloat() ? pick(floatElements) : pick(integerElements);
}

/// Appends the elements of a strided view, dimension by dimension.
template <typename T>
static void appendView(const T *from, ArrayRef<int64_t> shape,
                       ArrayRef<int64_t> strides, std::vector<T> &to) {
  if (shape.empty())
    return to.push_back(*from);
  if (shape.size() == 1 && strides[0] == 0)
    return (void)to.insert(to.end(), shape[0], *from);
  if (shape.size() == 1 && strides[0] == 1)
    return (void)to.insert(to.end(), from, from + shape[0]);
  for (int64_t i = 0; i < shape[0]; ++i, from += strides[0])
    appendView(from, shape.drop_front(), strides.drop_front(), to);
}

Constant Constant::view(ArrayRef<int64_t> shape, int64_t offset,
                        ArrayRef<int64_t> strides) const {
  auto type = RankedTensorType::get(shape, tensorType.getElementType());
  auto copy = [&](const auto &elements) {
    std::decay_t<decltype(elements)> viewed;
    viewed.reserve(type.getNumElements());
    // The address of an empty tensor's first element would be none.
    if (type.getNumElements() > 0)
      appendView(elements.data() + offset, shape, strides, viewed);
    return Constant(type, std::move(viewed));
  };
  return isFloat() ? copy(floatElements) : copy(integerElements);
}

Constant Constant::reshape(ArrayRef<int64_t> shape) const {
  Constant result = *this;
  result.tensorType = RankedTensorType::get(shape, tensorType.getElementType());
  return result;
}

Constant Constant::broadcast(ArrayRef<int64_t> target) const {
  SmallVector<int64_t> strides(target.size(), 0),
      own = rowMajorStrides(shape());
  size_t missing = target.size() - own.size();
  for (size_t i = 0; i < own.size(); ++i)
    if (shape()[i] != 1)
      strides[missing + i] = own[i];
  return view(target, 0, strides);
}

DenseElementsAttr Constant::attribute() const {
  if (isFloat())
    return DenseElementsAttr::get(tensorType, floats());
  unsigned width = tensorType.getElementType().getIntOrFloatBitWidth();
  if (width == 64)
    return DenseElementsAttr::getFromRawBuffer(
        tensorType,
        ArrayRef<char>(reinterpret_cast<const char *>(integerElements.data()),
                       integerElements.size() * sizeof(int64_t)));
  if (width == 1)
    return DenseElementsAttr::get(
        tensorType, ArrayRef<bool>(SmallVector<bool>(integerElements.begin(),
                                                     integerElements.end())));
  SmallVector<APInt> elements;
  for (int64_t element : integerElements)
    elements.push_back(APInt(64, element).trunc(width));
  return DenseElementsAttr::get(tensorType, elements);
}

} // namespace fp8c
