//===- CudaDevice.cpp - Running programs on an NVIDIA GPU -----------------===//
//
// The first call of a function plans its library calls, captures what it
// enqueues as a CUDA graph, and from then on launches that graph: one launch a
// call, no allocation, and the host waits only for the function's outputs.
//
//===----------------------------------------------------------------------===//

#include "cuda/CudaDevice.h"

#include "comm/Collectives.h"
#include "core/Error.h"
#include "core/Manifest.h"
#include "core/Text.h"
#include "cuda/Handles.h"
#include "cuda/Pattern.h"
#include "cuda/Plans.h"
#include "kernels/cuda/stream.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace fp8c::runtime {
namespace {

void checkCuda(cudaError_t status, const std::string &what) {
  if (status != cudaSuccess)
    throw Error(concat("CUDA: ", what, ": ", cudaGetErrorString(status)));
}

/// Where plans are kept between runs.
std::string planFile() {
  if (const char *path = std::getenv("FP8C_PLANS"))
    return path;
  const char *cache = std::getenv("XDG_CACHE_HOME"),
             *home = std::getenv("HOME");
  if (!cache && !home)
    return "";
  return (cache ? std::string(cache) : std::string(home) + "/.cache") +
         "/fp8c/plans.txt";
}

uint64_t freeBytes() {
  size_t free = 0, total = 0;
  checkCuda(cudaMemGetInfo(&free, &total), "cannot ask for free memory");
  return free;
}

std::string unusablePlans(const std::string &path) {
  return concat("the plans in ", path,
                " are of another GPU or library version: products and "
                "attention are planned anew, and results may differ in the "
                "last bits");
}

/// Asks a function for a mark at every op, as long as this lives.
struct OpMarks {
  explicit OpMarks(CudaContext &context) : context(context) {
    context.profile = &marks;
  }
  ~OpMarks() {
    context.profile = nullptr;
    for (const OpMark &mark : marks)
      cudaEventDestroy(mark.event);
  }
  OpMarks(const OpMarks &) = delete;
  OpMarks &operator=(const OpMarks &) = delete;

  std::vector<OpMark> marks;

private:
  CudaContext &context;
};

/// Whether a captured copy would read or write memory of the host, which
/// nobody promises to keep until the graph is launched.
bool touchesHost(cudaGraphNode_t node) {
  cudaGraphNodeType type;
  if (cudaGraphNodeGetType(node, &type) != cudaSuccess) {
    cudaGetLastError(); // the runtime has no name for waiting for a flag
    return false;
  }
  if (type != cudaGraphNodeTypeMemcpy)
    return false;
  cudaMemcpy3DParms copy;
  checkCuda(cudaGraphMemcpyNodeGetParams(node, &copy), "cannot read a graph");
  auto isHost = [](const cudaPitchedPtr &pointer, cudaArray_t array) {
    cudaPointerAttributes attributes;
    if (array || !pointer.ptr)
      return false;
    checkCuda(cudaPointerGetAttributes(&attributes, pointer.ptr),
              "cannot ask about a pointer");
    return attributes.type != cudaMemoryTypeDevice;
  };
  return isHost(copy.srcPtr, copy.srcArray) ||
         isHost(copy.dstPtr, copy.dstArray);
}

void refuseHostMemory(cudaGraph_t graph) {
  size_t count = 0;
  checkCuda(cudaGraphGetNodes(graph, nullptr, &count), "cannot read a graph");
  std::vector<cudaGraphNode_t> nodes(count);
  checkCuda(cudaGraphGetNodes(graph, nodes.data(), &count),
            "cannot read a graph");
  if (std::any_of(nodes.begin(), nodes.end(), touchesHost))
    throw Error("a library call copies from or to the host inside a function, "
                "which is replayed when that memory is gone",
                "this is a fault of fp8c or of the installed cuDNN or "
                "cuBLASLt: please report it with the versions");
}

class CudaDevice final : public Device {
public:
  explicit CudaDevice(int localRank);
  ~CudaDevice() override;

  unsigned char *allocate(uint64_t bytes, const std::string &what) override;
  void upload(unsigned char *destination, const void *source,
              uint64_t bytes) override {
    checkCuda(cudaMemcpy(destination, source, bytes, cudaMemcpyHostToDevice),
              "cannot write to the device");
  }
  void download(void *destination, const unsigned char *source,
                uint64_t bytes) override {
    checkCuda(cudaMemcpy(destination, source, bytes, cudaMemcpyDeviceToHost),
              "cannot read from the device");
  }
  void fill(unsigned char *destination, unsigned char value,
            uint64_t bytes) override {
    cudaError_t status = cudaMemset(destination, value, bytes);
    if (status == cudaSuccess) // programs' streams do not wait for this one
      status = cudaStreamSynchronize(cudaStreamLegacy);
    checkCuda(status, "cannot write to the device");
  }
  void run(const std::string &name, Fp8cFunction function,
           const FunctionSpec &spec, const Fp8cCall &call,
           size_t hyperCount) override;
  void setProfiling(bool on) override { profiling = on; }
  std::vector<OpTime> takeProfile() override {
    return std::exchange(profile, {});
  }
  std::optional<uint64_t> measuredBytes() const override {
    return startBytes - std::min(startBytes, freeBytes());
  }
  std::string keepPlans(const std::string &path) override {
    return library::Plans::get().keep(path) ? "" : unusablePlans(path);
  }
  std::string preferPlans(const std::string &path) override {
    return library::Plans::get().prefer(path) ? "" : unusablePlans(path);
  }
  std::string describe() const override;
  void chooseAlike() override { library::Plans::get().takeFirst(); }
  void join(Processes &others) override;
  uint64_t sentBytes() const override { return sent; }
  int computeCapability() const override {
    return properties.major * 10 + properties.minor;
  }

private:
  /// A buffer of the device and its page-locked twin on the host.
  struct Staged {
    unsigned char *device, *host;
    uint64_t bytes;
  };
  struct Prepared {
    std::vector<Staged> inputs, outputs;
    std::vector<const void *> inputPointers;
    std::vector<void *> outputPointers;
    Fp8cCall call;
    cudaGraphExec_t graphs[2] = {}; // by Fp8cCall::accumulate
    uint64_t sent[2] = {};          // by a launch of each
    std::vector<void *> tables[2];  // likewise
  };

  Prepared &prepare(Fp8cFunction function, const FunctionSpec &spec,
                    const Fp8cCall &call);
  Staged stage(const TensorSpec &spec);
  void plan(Fp8cFunction function, Prepared &state);
  /// Calls the function, which then enqueues its work.
  void enqueue(Fp8cFunction function, Prepared &state);
  uint64_t enqueuedBytes() const {
    return collectives ? collectives->sentBytes() : 0;
  }
  void joinGPUs(Processes &others);
  void growWorkspace(uint64_t bytes);
  void capture(Fp8cFunction function, Prepared &prepared);
  /// Without a graph, with an event between every two ops.
  void runProfiled(const std::string &name, Fp8cFunction function,
                   Prepared &state);

  CudaContext context = {};
  cudaDeviceProp properties;
  std::map<Fp8cFunction, Prepared> prepared;
  Staged hyper = {};
  std::vector<DeviceBlock> blocks;
  std::vector<unsigned char *> hostBlocks;
  uint64_t startBytes = 0; ///< free with the libraries' handles and no more
  bool profiling = false;
  std::vector<OpTime> profile;
  std::vector<cudaEvent_t> asyncEnds;
  uint64_t sent = 0;
  Processes *processes = nullptr; ///< null: this one is alone
  std::unique_ptr<Collectives> collectives;
};

CudaDevice::CudaDevice(int localRank) {
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver)
    throw Error("found no NVIDIA driver, or one that is older than CUDA "
                "needs",
                "run this program on a machine with a GPU and a driver for "
                "CUDA 13, or compile the model with --target cpu");
  if (status != cudaSuccess || count == 0)
    throw Error(concat("found no NVIDIA GPU",
                       status == cudaSuccess
                           ? std::string()
                           : concat(": ", cudaGetErrorString(status))),
                "run this program on a machine with a GPU, or compile the "
                "model with --target cpu");
  // A launcher may show each process nothing but its own.
  const int device = count == 1 ? 0 : localRank;
  if (device >= count)
    throw Error(
        concat("process ", device, " has no GPU: this machine has ", count),
        "run as many processes as there are GPUs");
  checkCuda(cudaSetDevice(device), "cannot use the GPU");
  checkCuda(cudaGetDeviceProperties(&properties, device), "cannot ask the GPU");
  if (computeCapability() < 89)
    throw Error(concat(properties.name, " has compute capability ",
                       properties.major, ".", properties.minor,
                       ": FP8 needs 8.9 or newer"),
                "use an Ada, Hopper or Blackwell GPU, or --target cpu");
  checkCuda(cudaStreamCreateWithFlags(&context.stream, cudaStreamNonBlocking),
            "cannot make a stream");
  int least = 0, most = 0;
  checkCuda(cudaDeviceGetStreamPriorityRange(&least, &most),
            "cannot ask for priorities");
  if (!collectivesAre("serial"))
    checkCuda(cudaStreamCreateWithPriority(&context.beside,
                                           cudaStreamNonBlocking, most),
              "cannot make a stream");
  checkCuda(cudaEventCreateWithFlags(&context.began, cudaEventDisableTiming),
            "cannot make an event");
  context.ended = &asyncEnds;
  library::startGemm();
  library::startAttention();
  startBytes = freeBytes();
  growWorkspace(min_workspace_bytes);
  library::Plans::get().use(planFile());
}

void CudaDevice::join(Processes &others) {
  if (others.size == 1)
    collectives = std::make_unique<LoneCollectives>(others);
  else
    joinGPUs(others);
  context.collectives = collectives->forPrograms();
}

void CudaDevice::joinGPUs(Processes &others) {
  processes = &others;
  const auto ids = others.gatherValues("GPUs", properties.uuid);
  for (int other = 0; other < others.size; ++other)
    if (other != others.rank &&
        std::memcmp(&ids[static_cast<size_t>(other)], &properties.uuid,
                    sizeof(properties.uuid)) == 0)
      throw Error(concat(others.describe(others.rank), " and ",
                         others.describe(other), " use the same GPU"),
                  "start as many processes on each machine as it has GPUs");
  // The first one chooses for all.
  if (!others.isFirst())
    library::Plans::get().use("");
  auto join = reinterpret_cast<JoinGPUs *>(
      loadPart("libfp8c-nccl.so", "fp8c_join_gpus",
               {"the part of the runtime for several GPUs",
                "NCCL 2.28 must be installed, and its folder known to ldconfig "
                "or LD_LIBRARY_PATH",
                "install NCCL and rebuild fp8c"}));
  const uint64_t before = freeBytes();
  std::vector<DeviceBlock> shared; // but for what stays within a library call
  for (const DeviceBlock &block : blocks)
    if (block.base != context.workspace)
      shared.push_back(block);
  collectives.reset(join(others, shared));
  startBytes -= before - freeBytes(); // what it needs to talk is not planned
}

CudaDevice::~CudaDevice() {
  for (auto &[function, state] : prepared) {
    for (cudaGraphExec_t graph : state.graphs)
      if (graph)
        cudaGraphExecDestroy(graph);
    for (auto &tables : state.tables)
      for (void *table : tables)
        cudaFree(table);
  }
  collectives.reset(); // waits for graphs that use it
  for (auto &block : blocks)
    cudaFree(block.base);
  for (unsigned char *block : hostBlocks)
    cudaFreeHost(block);
  for (cudaEvent_t event : asyncEnds)
    cudaEventDestroy(event);
  cudaEventDestroy(context.began);
  if (context.beside)
    cudaStreamDestroy(context.beside);
  cudaStreamDestroy(context.stream);
}

unsigned char *CudaDevice::allocate(uint64_t bytes, const std::string &what) {
  size_t free = 0, total = 0;
  checkCuda(cudaMemGetInfo(&free, &total), "cannot ask for free memory");
  void *base = nullptr;
  if (bytes > free || cudaMalloc(&base, bytes ? bytes : 1) != cudaSuccess) {
    cudaGetLastError(); // or the next call would report it
    throw Error(concat("not enough GPU memory for ", what, ": ",
                       bytesText(bytes), " needed, ", bytesText(free),
                       " free of ", bytesText(total)),
                "compile with a smaller --batch, or with --recompute");
  }
  blocks.push_back({static_cast<unsigned char *>(base), bytes});
  fill(blocks.back().base, 0, bytes);
  return blocks.back().base;
}

std::string CudaDevice::describe() const {
  return concat(properties.name, ", ", bytesText(startBytes), " free");
}

void CudaDevice::growWorkspace(uint64_t bytes) {
  if (bytes <= context.workspace_bytes)
    return;
  checkCuda(cudaStreamSynchronize(context.stream), "a function failed");
  for (size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].base == context.workspace) {
      cudaFree(context.workspace);
      blocks.erase(blocks.begin() + i);
      break;
    }
  context.workspace = allocate(bytes, "the workspace of cuBLASLt and cuDNN");
  context.workspace_bytes = bytes;
  // Graphs hold the old address.
  for (auto &[function, state] : prepared)
    for (cudaGraphExec_t &graph : state.graphs)
      if (graph)
        cudaGraphExecDestroy(std::exchange(graph, nullptr));
}

CudaDevice::Staged CudaDevice::stage(const TensorSpec &spec) {
  Staged staged = {allocate(spec.bytes(), "\"" + spec.name + "\""), nullptr,
                   spec.bytes()};
  void *host = nullptr;
  checkCuda(cudaMallocHost(&host, spec.bytes() ? spec.bytes() : 1),
            "cannot lock host memory");
  hostBlocks.push_back(static_cast<unsigned char *>(host));
  staged.host = hostBlocks.back();
  return staged;
}

void CudaDevice::enqueue(Fp8cFunction function, Prepared &state) {
  context.tables = &state.tables[state.call.accumulate];
  context.next_table = 0;
  const uint64_t before = enqueuedBytes();
  function(&state.call);
  state.sent[state.call.accumulate] = enqueuedBytes() - before;
}

void CudaDevice::plan(Fp8cFunction function, Prepared &state) {
  // The arena holds nothing between functions.
  for (const auto &[base, bytes] : blocks)
    if (base == state.call.arena)
      library::fill_pattern(context.stream, base, bytes);
  context.planning = true;
  context.workspace_needed = 0;
  try {
    enqueue(function, state);
  } catch (...) {
    context.planning = false;
    throw;
  }
  context.planning = false;
  growWorkspace(context.workspace_needed);
  library::Plans::get().save();
}

void CudaDevice::capture(Fp8cFunction function, Prepared &state) {
  checkCuda(
      cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal),
      "cannot capture");
  cudaGraph_t graph = nullptr;
  auto end = [&] { return cudaStreamEndCapture(context.stream, &graph); };
  try {
    enqueue(function, state);
    checkCuda(end(), "cannot capture");
    refuseHostMemory(graph);
    checkCuda(
        cudaGraphInstantiate(&state.graphs[state.call.accumulate], graph, 0),
        "cannot make a graph of the function");
  } catch (...) {
    if (!graph)
      end();
    if (graph)
      cudaGraphDestroy(graph);
    throw;
  }
  cudaGraphDestroy(graph);
}

CudaDevice::Prepared &CudaDevice::prepare(Fp8cFunction function,
                                          const FunctionSpec &spec,
                                          const Fp8cCall &call) {
  auto [found, isNew] = prepared.try_emplace(function);
  Prepared &state = found->second;
  if (isNew) {
    if (!hyper.device)
      hyper = stage({"hyperparameters", DataType::F32, {64}});
    for (const TensorSpec &input : spec.inputs) {
      state.inputs.push_back(stage(input));
      state.inputPointers.push_back(state.inputs.back().device);
    }
    for (const TensorSpec &output : spec.outputs) {
      state.outputs.push_back(stage(output));
      state.outputPointers.push_back(state.outputs.back().device);
    }
    state.call = call;
    state.call.hyper = reinterpret_cast<const float *>(hyper.device);
    state.call.inputs = state.inputPointers.data();
    state.call.outputs = state.outputPointers.data();
    state.call.device = &context;
    // GEMMs that overwrite have plans of their own.
    const bool follows = processes && !processes->isFirst();
    if (follows)
      library::Plans::get().take(processes->broadcast("plans", ""));
    for (int accumulate : {0, 1}) {
      state.call.accumulate = accumulate;
      plan(function, state);
    }
    if (processes && !follows)
      processes->broadcast("plans", library::Plans::get().text());
    if (collectives)
      collectives->prepare();
  }
  state.call.accumulate = call.accumulate;
  if (!state.graphs[call.accumulate])
    capture(function, state);
  return state;
}

void CudaDevice::runProfiled(const std::string &name, Fp8cFunction function,
                             Prepared &state) {
  OpMarks asked(context);
  const std::vector<OpMark> &marks = asked.marks;
  enqueue(function, state);
  Stream(&state.call).op("end");
  checkCuda(cudaStreamSynchronize(context.stream), "a function failed");
  auto between = [](cudaEvent_t first, cudaEvent_t last) {
    float ms = 0;
    checkCuda(cudaEventElapsedTime(&ms, first, last), "cannot time an op");
    return ms;
  };
  for (auto mark = marks.begin(); mark != marks.end(); ++mark) {
    // An op ends where the next one of its stream begins.
    const auto next = std::find_if(mark + 1, marks.end(), [&](const OpMark &m) {
      return m.beside == mark->beside;
    });
    if (mark->name && next != marks.end())
      profile.push_back({name, mark->name, between(marks[0].event, mark->event),
                         between(mark->event, next->event), mark->beside});
  }
}

void CudaDevice::run(const std::string &name, Fp8cFunction function,
                     const FunctionSpec &spec, const Fp8cCall &call,
                     size_t hyperCount) {
  Prepared &state = prepare(function, spec, call);
  auto send = [&](const Staged &staged, const void *source, uint64_t bytes) {
    std::memcpy(staged.host, source, bytes);
    checkCuda(cudaMemcpyAsync(staged.device, staged.host, bytes,
                              cudaMemcpyHostToDevice, context.stream),
              "cannot send inputs");
  };
  send(hyper, call.hyper, hyperCount * sizeof(float));
  for (size_t i = 0; i < state.inputs.size(); ++i)
    send(state.inputs[i], call.inputs[i], state.inputs[i].bytes);
  if (profiling)
    runProfiled(name, function, state);
  else
    checkCuda(cudaGraphLaunch(state.graphs[call.accumulate], context.stream),
              "cannot launch");
  sent += state.sent[call.accumulate];
  for (const Staged &output : state.outputs)
    checkCuda(cudaMemcpyAsync(output.host, output.device, output.bytes,
                              cudaMemcpyDeviceToHost, context.stream),
              "cannot fetch outputs");
  {
    std::optional<Processes::Waiting> waiting;
    if (processes)
      waiting.emplace(*processes, "the GPU's work of @" + name);
    checkCuda(cudaStreamSynchronize(context.stream), "a function failed");
  }
  for (size_t i = 0; i < state.outputs.size(); ++i)
    std::memcpy(call.outputs[i], state.outputs[i].host, state.outputs[i].bytes);
}

} // namespace
} // namespace fp8c::runtime

fp8c::runtime::Device *fp8c_create_cuda_device(int localRank) {
  return new fp8c::runtime::CudaDevice(localRank);
}
