//===- TensorContent.cpp - What the elements of a tensor look like --------===//

#include "Import/ONNX/Parameters/TensorContent.h"

#include "Train/IR/Masks.h"

#include <cmath>

using llvm::ArrayRef;

namespace fp8c {

bool isAdditiveMask(const Constant &constant) {
  return constant.isFloat() && constant.size() > 1 &&
         llvm::all_of(constant.floats(), [](float element) {
           return element == 0.0f || element <= train::kMasking;
         });
}

/// Whether element p of a column is cos(p * angle), or sin, for one angle.
static bool isWave(ArrayRef<float> rows, int64_t dim, int64_t positions) {
  // Rows far down suffer from the rounding of the angle, which differs between
  // libraries.
  constexpr int64_t checked = 16;
  constexpr double tolerance = 1e-4;
  bool isCosine = rows[0] == 1.0f;
  if ((!isCosine && rows[0] != 0.0f) || !(std::fabs(rows[dim]) <= 1.0f))
    return false;
  double angle = isCosine ? std::acos(rows[dim]) : std::asin(rows[dim]);
  // An arc sine does not tell an angle above a quarter turn.
  double other = isCosine ? -angle : std::acos(-1.0) - angle;
  auto fits = [&](double a) {
    for (int64_t p = 2; p < std::min(positions, checked); ++p) {
      double wave =
          isCosine ? std::cos(double(p) * a) : std::sin(double(p) * a);
      // Where the angle is taken from a cosine near 1, its error grows with p.
      if (!(std::fabs(rows[p * dim] - wave) <= tolerance * double(p)))
        return false;
    }
    return true;
  };
  return fits(angle) || fits(other);
}

bool isTableOfWaves(const Constant &constant) {
  ArrayRef<int64_t> shape = constant.shape();
  if (!constant.isFloat() || shape.size() < 2)
    return false;
  int64_t dim = shape.back(), positions = shape[shape.size() - 2];
  if (positions < 3 || constant.size() == 0)
    return false;
  // All ones, or all zeros, are waves that do not move.
  bool moves = false;
  for (int64_t table = 0; table < constant.size(); table += positions * dim)
    for (int64_t i = 0; i < dim; ++i) {
      ArrayRef<float> column = constant.floats().drop_front(table + i);
      if (!isWave(column, dim, positions))
        return false;
      moves |= column[0] != column[dim];
    }
  return moves;
}

bool isLinear(const Constant &constant) {
  if (!constant.isFloat() || constant.shape().empty())
    return false;
  int64_t dim = constant.shape().back();
  for (int64_t row = 0; row < constant.size(); row += dim) {
    ArrayRef<float> x = constant.floats().slice(row, dim);
    for (int64_t i = 2; i < dim; ++i)
      if (!(std::fabs((x[i] - x[i - 1]) - (x[i - 1] - x[i - 2])) <=
            1e-5f * std::fabs(x[i])))
        return false;
  }
  return true;
}

} // namespace fp8c
