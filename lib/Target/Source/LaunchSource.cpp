//===- LaunchSource.cpp - Launches of kernels in source -------------------===//

#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

/// Template arguments of the library's kernels that work on blocks of rows.
/// Without sums to say of how many, tiles are as high as a cache line of a
/// transposed copy is long, or as shared memory allows. Two lines high for many
/// matrices: updates run on half as many blocks, and take 3 % longer with one.
static std::string getTileArguments(AcrossRows across,
                                    std::optional<int64_t> cols = {},
                                    bool multi = false) {
  int64_t rows = 32;
  if (across.sumRows)
    rows = across.sumRows;
  else if (!cols)
    rows = (multi ? 256 : 128) / llvm::PowerOf2Ceil(across.transposedCopies);
  return "<" + (cols ? std::to_string(*cols) + ", " : "") + "/*copies=*/" +
         std::to_string(across.transposedCopies) + ", /*block_rows=*/" +
         std::to_string(rows) + ">";
}

static LogicalResult print(LaunchOp op, SourceWriter &writer) {
  raw_ostream &os = writer.os;
  auto kernel = writer.symbols.lookup<KernelOp>(op.getKernel());
  train::Skeleton skeleton = kernel.getSkeleton();
  writer.comment(op,
                 "[" + Twine(op.getRows()) + ", " + Twine(op.getCols()) + "]");
  std::string type = toTypeName(op.getKernel());
  ValueRange buffers = op->getOperands();
  bool sums = skeleton == train::Skeleton::sum,
       rows = skeleton == train::Skeleton::rows;
  AcrossRows across = getAcrossRows(kernel);
  bool tiles = writer.isCUDA && across && isElementwise(kernel);
  os << "  "
     << (tiles ? StringRef("tiles") : train::stringifySkeleton(skeleton));
  // Transposed copies and partial sums need many rows in one block.
  if (tiles)
    os << getTileArguments(across);
  else if (writer.isCUDA && across)
    os << "_tiled" << getTileArguments(across, op.getCols());
  else if (writer.isCUDA && rows)
    os << "<" << op.getCols() << ">";
  else if (across.sumRows)
    os << "_summed</*block_rows=*/" << across.sumRows << ">";
  os << "(" << writer.first << type << "{"
     << writer.list(sums ? buffers.drop_back() : buffers)
     << (dependsOnMicroBatch(kernel) ? ", call->accumulate != 0" : "") << "}, ";
  if (skeleton == train::Skeleton::map || sums)
    os << op.getRows() * op.getCols();
  else if (writer.isCUDA && rows && !tiles)
    os << op.getRows();
  else
    os << op.getRows() << ", " << op.getCols();
  if (sums)
    os << ", " << writer.use(buffers.back());
  os << ");\n";
  return success();
}

static LogicalResult print(LaunchMultiOp op, SourceWriter &writer) {
  raw_ostream &os = writer.os;
  auto kernel = writer.symbols.lookup<KernelOp>(op.getKernel());
  bool sums = kernel.getSkeleton() == train::Skeleton::sum;
  size_t count = op.getNumMatrices();
  writer.comment(op, op.getKernel() + ": " + Twine(count) + " matrices");
  std::string type = toTypeName(op.getKernel());
  os << "  {\n    const " << type << " tensors[] = "
     << getTable(count,
                 [&](size_t i) {
                   ValueRange buffers = op.getBuffersOf(i);
                   return "{" +
                          writer.list(sums ? buffers.drop_back() : buffers) +
                          "}";
                 })
     << ";\n";
  auto numbers = [&](StringRef name, function_ref<int64_t(size_t)> get) {
    os << "    const int64_t " << name << "[] = {";
    for (size_t i = 0; i < count; ++i)
      os << (i ? ", " : "") << get(i);
    os << "};\n";
  };
  bool rows = kernel.getSkeleton() == train::Skeleton::rows;
  bool matrices = rows || kernel.getSkeleton() == train::Skeleton::columns;
  if (matrices) {
    numbers("rows", [&](size_t i) { return op.getRows()[i]; });
    numbers("cols", [&](size_t i) { return op.getCols()[i]; });
  } else {
    numbers("sizes",
            [&](size_t i) { return op.getRows()[i] * op.getCols()[i]; });
  }
  if (sums)
    os << "    float *const totals[] = " << getTable(count, [&](size_t i) {
      return writer.use(op.getBuffersOf(i).back());
    }) << ";\n";
  os << "    ";
  if (rows && writer.isCUDA)
    os << "tiles_multi"
       << getTileArguments(getAcrossRows(kernel), {}, /*multi=*/true);
  else
    os << train::stringifySkeleton(kernel.getSkeleton()) << "_multi";
  os << "(" << writer.first << "tensors, "
     << (matrices ? "rows, cols, " : "sizes, ") << (sums ? "totals, " : "")
     << count << ");\n  }\n";
  return success();
}

void attachLaunchSource(MLIRContext &context) {
  attachSource<LaunchOp, LaunchMultiOp>(context);
}

} // namespace fp8c::target
