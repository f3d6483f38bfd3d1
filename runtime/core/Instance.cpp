//===- Instance.cpp - A program with memory to work on --------------------===//

#include "core/Instance.h"

#include "core/Error.h"
#include "core/Text.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace fp8c::runtime {
namespace {

constexpr size_t alignment = 64;

} // namespace

HostTensor::HostTensor(TensorSpec spec) : theSpec(std::move(spec)) {
  size_t size = (theSpec.bytes() / alignment + 1) * alignment;
  storage.reset(
      static_cast<unsigned char *>(std::aligned_alloc(alignment, size)));
  if (!storage)
    throw Error(concat("not enough memory for \"", theSpec.name,
                       "\": ", bytesText(size)));
  std::memset(storage.get(), 0, size);
}

void HostTensor::Free::operator()(unsigned char *pointer) const {
  std::free(pointer);
}

Instance::Instance(Program program, Processes *others)
    : theProgram(std::move(program)), others(others) {
  // The device first: it fixes the thread count for the program's libraries.
  theDevice = createDevice(manifest().target, others ? others->localRank : 0);
  checkArchitecture(manifest().gpu, theDevice->computeCapability());
  theProgram.loadCode();
  variables = theDevice->allocate(manifest().variablesBytes, "variables");
  arena = theDevice->allocate(manifest().arenaBytes, "the arena");
  hyper.resize(manifest().hyper.size());
  const bool reproducible = manifest().model.reproducible;
  if (reproducible)
    theDevice->chooseAlike();
  if (others && (others->size > 1 || reproducible))
    theDevice->join(*others);
}

void Instance::read(const Variable &variable, void *destination) const {
  theDevice->download(destination, variables + variable.offset,
                      variable.bytes());
}

void Instance::write(const Variable &variable, const void *source) {
  theDevice->upload(variables + variable.offset, source, variable.bytes());
}

void Instance::clear(const Variable &variable) {
  theDevice->fill(variables + variable.offset, 0, variable.bytes());
}

void Instance::setHyper(const std::string &name, float value) {
  for (size_t i = 0; i < hyper.size(); ++i)
    if (manifest().hyper[i] == name)
      hyper[i] = value;
}

void Instance::poisonArena() {
  theDevice->fill(arena, 0xff, manifest().arenaBytes);
}

void Instance::refresh() {
  if (theProgram.has("init"))
    Function(*this, "init").run();
}

Function::Function(Instance &instance, const std::string &name)
    : instance(instance), theName(name), code(instance.program().code(name)) {
  const FunctionSpec &signature = instance.program().signature(name);
  for (const TensorSpec &input : signature.inputs)
    theInputs.emplace_back(input);
  for (const TensorSpec &output : signature.outputs)
    theOutputs.emplace_back(output);
}

const FunctionSpec &Function::signature() const {
  return instance.program().signature(theName);
}

HostTensor *Function::tokens() {
  std::optional<size_t> index = signature().tokens();
  return index ? &theInputs[*index] : nullptr;
}

HostTensor *Function::labels() {
  std::optional<size_t> index = signature().labels();
  return index ? &theInputs[*index] : nullptr;
}

HostTensor &Function::output(std::optional<size_t> index, const char *what) {
  if (!index)
    throw Error(concat("the function ", theName, " gives no ", what),
                "the program was not compiled from a language model");
  return theOutputs[*index];
}

HostTensor &Function::loss() { return output(signature().loss(), "loss"); }
HostTensor &Function::logits() {
  return output(signature().logits(), "logits");
}

HostTensor &Function::output(const std::string &outputName) {
  for (HostTensor &tensor : theOutputs)
    if (tensor.spec().name == outputName) {
      if (tensor.spec().type != DataType::F32)
        throw Error(concat("output of ", theName, ": \"", outputName, "\" is ",
                           nameOf(tensor.spec().type), ", expected f32"));
      return tensor;
    }
  throw Error(
      concat("there is no output of ", theName, ": \"", outputName, "\""),
      "the program was not compiled from a language model");
}

void Function::run() {
  if (instance.others)
    instance.others->setActivity("@" + theName);
  std::vector<const void *> inputPointers;
  for (const HostTensor &input : theInputs)
    inputPointers.push_back(input.data());
  std::vector<void *> outputPointers;
  for (HostTensor &output : theOutputs)
    outputPointers.push_back(output.data());
  Fp8cCall call = {};
  call.variables = instance.variables;
  call.arena = instance.arena;
  call.hyper = instance.hyper.data();
  call.inputs = inputPointers.data();
  call.outputs = outputPointers.data();
  call.accumulate = instance.accumulate;
  instance.theDevice->run(theName, code, instance.program().signature(theName),
                          call, instance.hyper.size());
}

} // namespace fp8c::runtime
