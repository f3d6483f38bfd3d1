//===- StateBytes.h - What a program keeps per parameter --------*- C++ -*-===//

#ifndef AUTORECIPE_STATEBYTES_H
#define AUTORECIPE_STATEBYTES_H

#include "Train/IR/Train.h"
#include "llvm/ADT/STLExtras.h"

namespace fp8c {

/// Counts what lives from step to step: parameters, gradients and both moments.
/// `fp8c inspect` prints it, and budgets of `--recipe auto` are kept by it.
class StateBytes {
public:
  /// Counts a variable of `elements` elements in. Other roles (scales, compute
  /// weights) are left out.
  void add(train::Role role, int64_t elements, int64_t bytes) {
    if (role == train::Role::parameter)
      parameters += elements;
    if (llvm::is_contained({train::Role::parameter, train::Role::gradient,
                            train::Role::moment1, train::Role::moment2},
                           role))
      all += bytes;
  }

  /// 0 without parameters.
  double perParameter() const {
    return parameters
               ? static_cast<double>(all) / static_cast<double>(parameters)
               : 0;
  }

private:
  int64_t parameters = 0, all = 0;
};

} // namespace fp8c

#endif // AUTORECIPE_STATEBYTES_H
