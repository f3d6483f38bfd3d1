//===- Instance.h - A program with memory to work on ------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_INSTANCE_H
#define FP8C_RUNTIME_CORE_INSTANCE_H

#include "comm/Processes.h"
#include "core/Device.h"
#include "core/Program.h"

#include <vector>

namespace fp8c::runtime {

/// A tensor in host memory, 64-byte aligned, zeroed when made.
class HostTensor {
public:
  explicit HostTensor(TensorSpec spec);

  const TensorSpec &spec() const { return theSpec; }
  uint64_t bytes() const { return theSpec.bytes(); }
  unsigned char *data() { return storage.get(); }
  const unsigned char *data() const { return storage.get(); }
  template <class T> T *as() { return reinterpret_cast<T *>(data()); }
  template <class T> const T *as() const {
    return reinterpret_cast<const T *>(data());
  }

private:
  struct Free {
    void operator()(unsigned char *pointer) const;
  };
  TensorSpec theSpec;
  std::unique_ptr<unsigned char, Free> storage;
};

class Function;

/// A program, its device, its variables block and its arena.
class Instance {
public:
  /// Loads the program's code and allocates its memory. Variables are zero
  /// until initializeVariables() or a checkpoint gives them values. `others`
  /// run the program with this process, and must outlive this object; null: it
  /// cannot call functions that talk to them.
  explicit Instance(Program program, Processes *others = nullptr);

  Instance(const Instance &) = delete;
  Instance &operator=(const Instance &) = delete;

  const Program &program() const { return theProgram; }
  const Manifest &manifest() const { return theProgram.manifest(); }
  const Device &device() const { return *theDevice; }
  Device &device() { return *theDevice; }

  void read(const Variable &variable, void *destination) const;
  void write(const Variable &variable, const void *source);
  void clear(const Variable &variable); ///< to zeros

  /// Sets a hyperparameter; one that the program does not use is ignored.
  void setHyper(const std::string &name, float value);

  /// Fills the arena with NaN bit patterns, so that a program that reads what
  /// it has not written shows it.
  void poisonArena();

  /// Whether `micro` adds to the gradients that are there, as it does at first,
  /// or overwrites them, as in the first micro-batch of a step.
  void setAccumulate(bool value) { accumulate = value; }

  /// Calls `init`, which computes what follows from the parameters. Does
  /// nothing if the program has no such function.
  void refresh();

private:
  friend class Function;
  Program theProgram;
  Processes *const others;
  std::unique_ptr<Device> theDevice;
  unsigned char *variables = nullptr;
  unsigned char *arena = nullptr;
  std::vector<float> hyper;
  bool accumulate = true;
};

/// One function of an instance with host buffers for its inputs and outputs.
class Function {
public:
  /// Throws Error if the program has no such function. The instance must
  /// outlive this object.
  Function(Instance &instance, const std::string &name);

  const std::string &name() const { return theName; }
  std::vector<HostTensor> &inputs() { return theInputs; }
  std::vector<HostTensor> &outputs() { return theOutputs; }

  const FunctionSpec &signature() const;

  /// The input of token ids, that of labels; null if there is none.
  HostTensor *tokens(), *labels();
  /// Throw Error if there is none.
  HostTensor &loss(), &logits();

  /// The output called `name`; throws Error if it is missing or not f32.
  HostTensor &output(const std::string &name);

  /// Runs the function and waits for it.
  void run();

private:
  HostTensor &output(std::optional<size_t> index, const char *what);

  Instance &instance;
  std::string theName;
  Fp8cFunction code;
  std::vector<HostTensor> theInputs, theOutputs;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_INSTANCE_H
