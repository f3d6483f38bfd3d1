//===- Manifest.h - What a compiled program says about itself ---*- C++ -*-===//
//
// manifest.json is the only thing that the compiler and the runtime share by
// format. It is checked completely when it is read, so that nothing after it
// has to ask whether an offset is inside the block or a name exists.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_MANIFEST_H
#define FP8C_RUNTIME_CORE_MANIFEST_H

#include "core/DataType.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// A dense row-major tensor; an empty shape is a scalar.
struct TensorSpec {
  std::string name;
  DataType type = DataType::F32;
  std::vector<int64_t> shape;

  uint64_t elements() const;
  uint64_t bytes() const { return elements() * sizeOf(type); }
};

/// How a variable starts.
struct Initializer {
  enum class Kind {
    Constant, ///< every element is `value`
    Normal,   ///< normal distribution with `mean` and `std`
    Values,   ///< `values` from the first element on, zeros after them
    Amax,     ///< statistics: the largest magnitude of the values of `of`
    Scale,    ///< scale and inverse that it gives for storage in `format`
    File,     ///< f32 data: `bytes` bytes of initial.bin from `offset` on
    Parts     ///< each part as its own initializer says
  };
  Kind kind = Kind::Constant;
  double value = 0;
  double mean = 0, std = 0;
  std::vector<double> values;
  uint64_t offset = 0, bytes = 0;
  std::string of;
  DataType format = DataType::F32;
};

/// What a variable is for.
enum class Role {
  Parameter,
  Gradient,
  Moment1,
  Moment2,
  Scale,         ///< state of FP8 scaling: scale, amax window, counters
  ComputeWeight, ///< a parameter's quantised or bf16 copy
  Frozen,        ///< a parameter that is not trained
  GradientParts, ///< of a step's micro-batches, kept apart
  Mu             ///< makes room for a gradient's sum over processes
};

const char *nameOf(Role role);

/// Whether a checkpoint holds variables of this role. Gradients start anew with
/// each step, `init` recomputes the compute weights, and frozen parameters are
/// what the program starts with.
bool isCheckpointed(Role role);

/// A place where values are quantised with delayed scaling.
struct ScaleSite {
  DataType format;
  uint64_t values; ///< how many a micro-batch has
};

/// A range of the variables block.
struct Variable : TensorSpec {
  uint64_t offset = 0; ///< bytes from the start of the block
  Role role = Role::Parameter;
  std::string of;    ///< the parameter it belongs to; may be empty
  std::string scale; ///< what holds its scale, or those of tiles; may be empty
  Initializer init;
  std::optional<ScaleSite> site; ///< whose state it is
  /// The model's variables that this one is, if they are several; as files have
  /// them. `offset` of a part is in bytes from the start of a row. What there
  /// is once for all of them, as a scale, each of them has as a whole.
  std::vector<Variable> parts;
  /// How many rows there are, each with a piece of every part.
  uint64_t partRows = 1;

  /// What files have of it: its parts, or itself if it has none.
  struct Stored {
    const Variable *first, *last;
    const Variable *begin() const { return first; }
    const Variable *end() const { return last; }
  };
  Stored stored() const {
    return parts.empty() ? Stored{this, this + 1}
                         : Stored{parts.data(), parts.data() + parts.size()};
  }
};

/// How a value becomes FP8 with scales of its own amaxes (current scaling).
struct Quantisation {
  DataType format = DataType::F8E4M3FN;
  /// What shares a scale: of each dimension so many elements, or, as products
  /// that are padded see it, of the rows that the leading dimensions make and
  /// of the columns; empty: all.
  std::vector<int64_t> tile;
  float margin = 0;       ///< scales are 2^margin smaller than they could be
  bool powerOfTwo = true; ///< and floored to powers of two

  bool operator==(const Quantisation &other) const {
    return format == other.format && tile == other.tile &&
           margin == other.margin && powerOfTwo == other.powerOfTwo;
  }
};

/// A contraction that reads an operand.
struct OperandUse {
  std::string op;   ///< its name: "h.0/mlp/fc"
  std::string gemm; ///< what it computes: "fwd", "dgrad" or "wgrad"
  std::string
      operand; ///< what it is called there: "x", "w", "dy", "lhs", "rhs"
  std::vector<int64_t> contracting; ///< the operand's dimensions it sums over
  std::optional<Quantisation> quantisation; ///< if it is scaled currently
};

/// What an input holds, and with that where a training takes it from.
enum class InputRole {
  None,         ///< whatever the caller gives
  Tokens,       ///< ids of a window of the token file
  LabelsNext,   ///< of each of its tokens the next one
  LabelsTokens, ///< its tokens themselves: the program shifts them, so that the
                ///< first one of a row is no label
  Labels        ///< what only a file of labels can say, token by token
};

const char *nameOf(InputRole role);

struct InputSpec : TensorSpec {
  InputRole role = InputRole::None;
  int64_t ids = 0; ///< they are below it; 0 if not known, or if it has none
  std::optional<int64_t> ignoreIndex; ///< a label that does not count, as
                                      ///< negative ones do not
  bool isLabels() const { return role > InputRole::Tokens; }
};

/// An output; of `observe`, the operand of contractions.
struct OutputSpec : TensorSpec {
  /// "loss" or "logits"; of `observe` "weight", "gradient" or "activation";
  /// else empty.
  std::string role;
  std::vector<OperandUse> uses;
};

/// Signature of one program function.
struct FunctionSpec {
  std::vector<InputSpec> inputs;
  std::vector<OutputSpec> outputs;

  /// The first of these that there is, as an index; nothing if there is none.
  std::optional<size_t> tokens() const, labels() const, loss() const;
  /// f32 [batch, seq, classes]; of the tokens, if there are any.
  std::optional<size_t> logits() const;
};

/// Facts about the model, for people and for checking data; 0 if not a
/// language model.
struct ModelInfo {
  std::string name;
  int64_t vocab = 0;          ///< tokens are 0 … vocab-1
  int64_t seq = 0;            ///< tokens per row
  int64_t batch = 0;          ///< rows per micro-batch
  int64_t parameters = 0;     ///< trained numbers
  int64_t frozen = 0;         ///< numbers of parameters that are not trained
  int64_t microBatches = 0;   ///< that a step must have; 0: any number
  bool reproducible = false;  ///< the same bits however a step is divided
  std::optional<int64_t> pad; ///< the token that fills rows up; no label
};

/// A file of the program folder, as the compiler wrote it.
struct ProgramFile {
  uint64_t bytes;
  std::string checksum;
};

/// What to do about a program that is not as it was written.
constexpr const char *changedHint =
    "compile the model again; if the program was changed on purpose, use it "
    "with fp8c-run's --unchecked";

/// Whether checksums are compared.
enum class Checks {
  On,
  Off ///< somebody has rebuilt or edited the program and knows it
};

struct Manifest {
  std::string compiler, target, recipe, fingerprint;
  std::string gpu;       ///< architecture, as "sm_90"; empty on the CPU
  int64_t processes = 1; ///< that run the program together, each on other data
  ModelInfo model;
  std::vector<std::string> hyper;
  uint64_t variablesBytes = 0, arenaBytes = 0;
  uint64_t arenaLowerBound = 0; ///< 0 if the compiler gave none
  uint64_t workspaceBytes = 0;  ///< of library calls, as far as planned
  int64_t currentUses = 0; ///< of activations and gradients by products, with
                           ///< scales of their own amaxes
  std::vector<Variable> variables;
  std::map<std::string, FunctionSpec> functions;
  std::map<std::string, ProgramFile> files; ///< empty in older programs
  std::string contract; ///< what the code has to say, see contractOf()
  std::string note;     ///< what the user should know besides, or ""

  /// Reads and checks `path`. Throws Error naming the field that is wrong, or
  /// if the file has changed since it was written.
  static Manifest read(const std::string &path, Checks checks = Checks::On);

  const Variable *findVariable(const std::string &name) const;

  /// Bytes that the program takes on its device, as planned.
  uint64_t plannedBytes() const {
    return variablesBytes + arenaBytes + workspaceBytes;
  }

  /// SHA-256 of what a checkpoint holds: roles, names, types and shapes of its
  /// variables, or of their parts. Programs that differ in nothing else, as in
  /// their batch or their number of processes, take each other's checkpoints.
  std::string modelFingerprint() const;

  /// Bytes of all variables of one role.
  uint64_t bytesOf(Role role) const;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_MANIFEST_H
