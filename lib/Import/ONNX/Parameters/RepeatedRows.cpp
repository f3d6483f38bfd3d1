//===- RepeatedRows.cpp - Tables that exporters have looked up ------------===//

#include "Import/ONNX/Parameters/RepeatedRows.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace fp8c {

/// The rows along an axis, each once.
static RepeatedRows collectRows(const Constant &tensor, int64_t axis) {
  SmallVector<int64_t> strides = rowMajorStrides(tensor.shape());
  SmallVector<int64_t> others(tensor.shape());
  int64_t width = others[axis], stride = strides[axis];
  others.erase(others.begin() + axis);
  strides.erase(strides.begin() + axis);
  std::vector<float> rows, row(width);
  std::vector<int64_t> ids;
  llvm::StringMap<int64_t> known;
  int64_t count = tensor.size() / width;
  for (int64_t i = 0; i < count; ++i) {
    int64_t place = 0, rest = i;
    for (size_t d = others.size(); d-- > 0; rest /= others[d])
      place += rest % others[d] * strides[d];
    for (int64_t j = 0; j < width; ++j)
      row[j] = tensor.floats()[place + j * stride];
    StringRef bytes(reinterpret_cast<const char *>(row.data()),
                    width * sizeof(float));
    auto [at, isNew] = known.try_emplace(bytes, int64_t(known.size()));
    if (isNew)
      rows.insert(rows.end(), row.begin(), row.end());
    ids.push_back(at->second);
  }
  Type f32 = tensor.type().getElementType();
  auto i64 = IntegerType::get(f32.getContext(), 64);
  int64_t distinct = int64_t(known.size());
  return {
      Constant(RankedTensorType::get({distinct, width}, f32), std::move(rows)),
      Constant(RankedTensorType::get(others, i64), std::move(ids)), axis};
}

std::optional<RepeatedRows> findRepeatedRows(const Constant &tensor) {
  int64_t rank = int64_t(tensor.shape().size());
  if (rank < 2 || tensor.size() == 0 || tensor.isSplat())
    return std::nullopt;
  // Rows stand along the last dimension; biases of scores [batch, heads,
  // queries, keys] have theirs along the heads.
  for (int64_t axis : {rank - 1, rank - 3}) {
    if (axis < 0 || tensor.shape()[axis] == 1)
      continue;
    RepeatedRows found = collectRows(tensor, axis);
    if (found.table.size() < tensor.size())
      return found;
  }
  return std::nullopt;
}

} // namespace fp8c
