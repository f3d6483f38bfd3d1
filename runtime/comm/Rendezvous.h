//===- Rendezvous.h - Where processes find each other -----------*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_RENDEZVOUS_H
#define FP8C_RUNTIME_COMM_RENDEZVOUS_H

#include <optional>
#include <string>

namespace fp8c::runtime {

/// Who a process is among those that were launched with it, and a folder that
/// they share and nobody else has used.
struct Rendezvous {
  int rank = 0, size = 1;
  std::string folder;

  /// What the launcher has put there; nothing if there was none.
  static std::optional<Rendezvous> fromEnvironment();
  void toEnvironment() const;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_COMM_RENDEZVOUS_H
