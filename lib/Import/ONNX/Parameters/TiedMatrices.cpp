//===- TiedMatrices.cpp - Matrices that are one parameter -----------------===//

#include "Import/ONNX/Parameters/TiedMatrices.h"

#include "Import/ONNX/DataTypes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

#include <cstring>
#include <memory>

namespace fp8c {

namespace {
/// A matrix [rows, columns] in a file, read piece by piece. Tensors of more
/// dimensions are matrices of their rows.
class Matrix {
public:
  Matrix(const onnx::TensorProto &tensor, const TensorRange *range)
      : width(onnxElementBits(tensor.data_type()) / 8) {
    columns = tensor.dims(tensor.dims_size() - 1);
    for (int i = 0; i + 1 < tensor.dims_size(); ++i)
      rows *= tensor.dims(i);
    std::string reason;
    if (range) {
      offset = range->offset;
      isOpen = range->open(file, reason);
    } else if (tensor.has_raw_data()) {
      inMessage = &tensor.raw_data();
      isOpen = true;
    }
    isOpen = isOpen && width > 0 && rows * columns > 0;
  }

  explicit operator bool() const { return isOpen; }

  /// `count` elements of a row.
  bool read(int64_t row, int64_t column, int64_t count, char *to) const {
    uint64_t at = uint64_t(row * columns + column) * width;
    size_t bytes = size_t(count) * width;
    if (inMessage) {
      if (at + bytes > inMessage->size())
        return false;
      std::memcpy(to, inMessage->data() + at, bytes);
      return true;
    }
    std::string reason;
    return file.read(offset + at, to, bytes, reason);
  }

  const unsigned width;
  int64_t rows = 1, columns = 0;

private:
  DataFile file;
  uint64_t offset = 0;
  const std::string *inMessage = nullptr;
  bool isOpen = false;
};
} // namespace

/// Elements at places spread over the matrix, or over its transpose. Empty
/// where all are the same or something cannot be read.
static std::string sample(const Matrix &matrix, bool transposed) {
  constexpr int64_t samples = 61; // prime: places fall on all columns
  int64_t rows = transposed ? matrix.columns : matrix.rows;
  int64_t columns = transposed ? matrix.rows : matrix.columns;
  std::string elements;
  bool differ = false;
  for (int64_t i = 0; i < samples; ++i) {
    auto place =
        int64_t((unsigned __int128)(rows * columns - 1) * i / (samples - 1));
    int64_t row = place / columns, column = place % columns;
    if (transposed)
      std::swap(row, column);
    char element[16];
    if (!matrix.read(row, column, 1, element))
      return {};
    elements.append(element, matrix.width);
    differ |= std::memcmp(element, elements.data(), matrix.width) != 0;
  }
  return differ ? elements : std::string();
}

/// Compares all elements of matrices of equal shape, the second one's
/// transposed if it is.
static bool areEqual(const Matrix &a, const Matrix &b, bool transposed) {
  constexpr int64_t pieceBytes = int64_t(4) << 20;
  // What is read against its order is read in the longer pieces.
  if (transposed && a.columns > b.columns)
    return areEqual(b, a, true);
  unsigned width = a.width;
  int64_t step =
      std::clamp<int64_t>(pieceBytes / (a.columns * width), 1, a.rows);
  std::vector<char> left(step * a.columns * width), right(left.size()),
      column(step * width);
  for (int64_t row = 0; row < a.rows; row += step) {
    int64_t count = std::min(step, a.rows - row);
    if (!a.read(row, 0, count * a.columns, left.data()))
      return false;
    if (!transposed && !b.read(row, 0, count * a.columns, right.data()))
      return false;
    for (int64_t j = 0; transposed && j < a.columns; ++j) {
      if (!b.read(j, row, count, column.data()))
        return false;
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(&right[(i * a.columns + j) * width], &column[i * width],
                    width);
    }
    if (std::memcmp(left.data(), right.data(),
                    size_t(count) * a.columns * width) != 0)
      return false;
  }
  return true;
}

std::vector<Tie> findTied(const ONNXFile &file,
                          const std::vector<const onnx::TensorProto *> &list) {
  auto open = [&](size_t i) {
    return std::make_unique<Matrix>(*list[i], file.range(list[i]->name()));
  };
  auto keyOf = [&](int64_t rows, int64_t columns, size_t i) {
    return std::to_string(list[i]->data_type()) + ":" + std::to_string(rows) +
           "x" + std::to_string(columns);
  };
  // By shape, so that only matrices of equal size are looked into.
  llvm::StringMap<llvm::SmallVector<size_t>> byShape;
  std::vector<std::pair<int64_t, int64_t>> shapes;
  for (size_t i = 0; i < list.size(); ++i) {
    Matrix matrix(*list[i], nullptr);
    shapes.push_back({matrix.rows, matrix.columns});
    byShape[keyOf(matrix.rows, matrix.columns, i)].push_back(i);
  }
  llvm::StringMap<size_t> seen; // samples of matrices that are themselves
  std::vector<Tie> ties;
  for (size_t i = 0; i < list.size(); ++i) {
    auto [rows, columns] = shapes[i];
    std::string key = keyOf(rows, columns, i), turned = keyOf(columns, rows, i);
    if (byShape[key].size() + (key == turned ? 0 : byShape[turned].size()) < 2)
      continue;
    std::unique_ptr<Matrix> matrix = open(i);
    if (!*matrix)
      continue;
    auto tie = [&](bool transposed) {
      std::string elements = sample(*matrix, transposed);
      if (elements.empty())
        return false;
      auto found = seen.find((transposed ? turned : key) + elements);
      if (found == seen.end())
        return false;
      if (transposed && list[found->second]->dims_size() != 2)
        return false;
      std::unique_ptr<Matrix> other = open(found->second);
      if (!*other || !areEqual(*other, *matrix, transposed))
        return false;
      ties.push_back({i, found->second, transposed});
      return true;
    };
    bool isMatrix = list[i]->dims_size() == 2;
    if (tie(false) || (isMatrix && tie(true)))
      continue;
    if (std::string elements = sample(*matrix, false); !elements.empty())
      seen.try_emplace(key + elements, i);
  }
  return ties;
}

} // namespace fp8c
