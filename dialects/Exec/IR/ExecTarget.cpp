//===- ExecTarget.cpp - The machines that there are -----------------------===//

#include "Exec/IR/Exec.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace {
struct Machine {
  StringLiteral backend, architecture;
  TargetTraits traits;
};
} // namespace

/// What all GPUs have in common, as far as is known. Programs are measured on
/// H100 alone: for the others numbers of sm_90 stand where no other source is
/// named, and programs for them are compiled, not run.
static constexpr Machine makeGPU(StringLiteral architecture,
                                 int64_t sharedMemoryKiB,
                                 int64_t attentionBackwardWidth) {
  TargetTraits traits;
  traits.name = architecture;
  // cuBLAS documentation, cublasLtMatmul, on FP8: dimensions are multiples of
  // 16, and operands TN on 8.9, 9.0 and 12.x. 10.x takes other layouts too, but
  // what it would gain from them is not known.
  traits.fp8Multiple = 16;
  traits.fp8TN = true;
  traits.fp8Batches = false; // nothing calls it for them yet
  // cuBLASLt multiplies every format, and its epilogues add a bias.
  traits.multipliesF32Only = false;
  traits.gemmBias = GemmBias::ofResultType;
  // CUDA C++ Programming Guide, "Technical Specifications per Compute
  // Capability", as in runtime/kernels/common/shared_memory.h.
  traits.sharedMemoryBytes = sharedMemoryKiB << 10;
  // Of an H100: 132 multiprocessors of 128 at 1.7 GHz, by 3 TB/s. Cards of the
  // other architectures differ among each other.
  traits.instructionsPerByte = 10;
  // As many as a sector has codes. Measured on H100.
  traits.sumRows = 32;
  // Shared memory of an H100 has 32 rows of so many codes: fewer would be
  // written as halves of sectors, which costs more than a kernel of its own
  // (measured on H100 at 1,600 columns).
  traits.transposedCodes = 6400;
  traits.runsAsync = true; // streams
  // 50257 becomes 50304: 128 is what tiles of tensor cores are wide.
  traits.vocabularyMultiple = 128;
  // A choice; no measurement of other sizes is written down.
  traits.maxLogitsBytes = int64_t(1) << 30;
  // `min_workspace_bytes` in runtime/kernels/cuda/stream.h, for cuBLASLt.
  traits.leastWorkspaceBytes = int64_t(32) << 20;
  // cuDNN's support matrix: on Hopper both directions up to 256, elsewhere the
  // backward pass up to 128.
  traits.attentionForwardWidth = 256;
  traits.attentionBackwardWidth = attentionBackwardWidth;
  // Norms and activations cost next to nothing: kernels that wait for memory
  // compute them by the way.
  traits.recompute = "norm,gelu";
  return {"cuda", architecture, traits};
}

/// The CPU widens every operand to f32 for OpenBLAS, in any layout and size.
/// Which products are in FP8 is decided as for GPUs, so that a recipe means the
/// same on both; so are fusions, by the same two numbers.
static constexpr Machine makeCPU() {
  TargetTraits traits;
  traits.fp8Batches = false;
  return {"cpu", "", traits};
}

static constexpr Machine kMachines[] = {
    makeCPU(), makeGPU("sm_89", 99, 128), makeGPU("sm_90", 227, 256),
    makeGPU("sm_100", 227, 128), makeGPU("sm_120", 99, 128)};

/// Null if there is no such machine.
static const TargetTraits *findTraits(StringRef backend,
                                      StringRef architecture) {
  for (const Machine &machine : kMachines)
    if (machine.backend == backend && machine.architecture == architecture)
      return &machine.traits;
  return nullptr;
}

static void print(raw_ostream &os, StringRef backend, StringRef architecture) {
  os << "<" << backend;
  if (!architecture.empty())
    os << ", " << architecture;
  os << ">";
}

const TargetTraits &TargetAttr::getTraits() const {
  return *findTraits(getBackend(), getArchitecture());
}

TargetAttr TargetAttr::getFor(function_ref<InFlightDiagnostic()> emitError,
                              MLIRContext *context, StringRef backend,
                              StringRef gpu) {
  return getChecked(emitError, context, backend,
                    backend == "cpu" ? StringRef() : gpu);
}

std::vector<std::string> TargetAttr::getArchitectures(StringRef backend) {
  std::vector<std::string> architectures;
  for (const Machine &machine : kMachines)
    if (machine.backend == backend)
      architectures.push_back(machine.architecture.str());
  return architectures;
}

LogicalResult TargetAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef backend, StringRef architecture) {
  if (findTraits(backend, architecture))
    return success();
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "knows no target ";
  ::print(os, backend, architecture);
  os << "; there are ";
  llvm::interleaveComma(kMachines, os, [&](const Machine &machine) {
    ::print(os, machine.backend, machine.architecture);
  });
  return emitError() << text;
}

Attribute TargetAttr::parse(AsmParser &parser, Type) {
  std::string backend, architecture;
  SMLoc place = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeywordOrString(&backend) ||
      (succeeded(parser.parseOptionalComma()) &&
       parser.parseKeywordOrString(&architecture)) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<TargetAttr>(
      place, parser.getContext(), StringRef(backend), StringRef(architecture));
}

void TargetAttr::print(AsmPrinter &printer) const {
  ::print(printer.getStream(), getBackend(), getArchitecture());
}
