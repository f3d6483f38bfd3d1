//===- Watch.h - FP8 statistics during training -----------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_WATCH_H
#define FP8C_RUNTIME_CORE_WATCH_H

#include "core/FormatStats.h"
#include "core/Instance.h"
#include "core/Json.h"
#include "core/OutputFile.h"
#include "kernels/common/scale_state.h"

#include <functional>
#include <optional>
#include <set>

namespace fp8c::runtime {

class Trainer;

/// What to watch, when, and what is too much.
struct WatchOptions {
  int64_t every = 0;      ///< steps; 0: never
  std::string pattern;    ///< regular expression found in the names; empty: all
  double underflow = 0.5; ///< warn above this share of codes that are 0
  double saturation = 1e-3; ///< warn above this share of codes that are +-max
};

/// Writes a line of JSON per watched step: of every scaled tensor that is kept
/// (parameters, gradients, moments, compute weights) its scale and the shares
/// of codes that are 0 or +-max, of every site with delayed scaling
/// (activations and their gradients) its scale, the amax of the step, the share
/// of its values that saturated and how many were not finite, and how many
/// update quotients were limited. Nothing is added to the program: at a watched
/// step the variables are read.
///
/// Of a program that has the function `observe` also the share of a site's
/// values, zeros aside, that become 0, and all of this for operands that are
/// scaled currently, by tensor, row or block: of the first micro-batch of the
/// next step, with the scales that it will use. That costs a forward and
/// backward pass and the copy of all operands to the host.
class Watch {
public:
  /// Throws Error if the pattern is no regular expression or matches no tensor,
  /// naming one that can be watched.
  Watch(Instance &instance, WatchOptions options);

  /// Where the lines go; those up to `lastStep` stay. Returns what the user
  /// should know about them, or "".
  std::string open(const std::string &path, int64_t lastStep);

  /// `trainer` has just made step `step`. `warn` is told what passes a
  /// threshold, once per tensor.
  void observe(int64_t step, const Trainer &trainer,
               const std::function<void(std::string)> &warn);

private:
  struct Tensor {
    std::string name;
    /// Null for what is quantised anew in each micro-batch.
    const Variable *codes = nullptr;
    /// Null where scales are current, or every tile has one of its own.
    const Variable *scale = nullptr;
    /// Of what is quantised: output of `operands`, -1: none; and how.
    int64_t output = -1;
    Quantisation how;
  };
  /// Told of a share of a tensor's values that must not pass a threshold.
  using Check =
      std::function<void(double share, double most, const char *what)>;
  int64_t findOutput(const std::string &site) const;
  void addOperands(const std::function<void(Tensor)> &add) const;
  std::vector<FormatStats>
  quantiseOperands(const std::vector<std::vector<float>> &scales);
  void observeSite(const Tensor &tensor, const std::vector<float> &words,
                   int64_t microBatches, OrderedJson &entry,
                   const Check &check);
  void observeCurrent(const FormatStats &stats, OrderedJson &entry,
                      const Check &check);
  void observeCodes(const Tensor &tensor, OrderedJson &entry,
                    const Check &check);

  Instance &instance;
  WatchOptions options;
  std::vector<Tensor> tensors;
  std::vector<const Variable *> clamps;
  std::optional<Function> operands; ///< `observe`, if a site is watched
  std::optional<OutputFile> file;
  std::set<std::string> warned;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_WATCH_H
