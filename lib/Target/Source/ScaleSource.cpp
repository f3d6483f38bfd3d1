//===- ScaleSource.cpp - Scales in source ---------------------------------===//

#include "Target/Source/KernelPrinter.h"
#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

/// Of calls that do many at once, how many.
static std::string withCount(StringRef callee, size_t count) {
  return callee.str() + (count > 1 ? ": " + std::to_string(count) : "");
}

static LogicalResult print(ComputeScaleOp op, SourceWriter &writer) {
  ValueRange amaxes = op.getAmaxes(), pairs = op.getPairs();
  writer.comment(op, withCount("compute_scale", pairs.size()));
  writer.os << "  {\n    const Stats *const amaxes[] = "
            << getTable(amaxes.size(),
                        [&](size_t i) { return writer.use(amaxes[i]); })
            << ";\n    float *const pairs[] = "
            << getTable(pairs.size(),
                        [&](size_t i) { return writer.use(pairs[i]); })
            << ";\n    compute_scales<" << getElementName(op.getFormat())
            << ">(" << writer.first << "amaxes, pairs, " << pairs.size()
            << ", /*margin=*/" << op.getMargin() << ", /*pow2=*/"
            << flag(op.getPow2()) << ", /*poison=*/" << flag(op.getPoison())
            << ");\n  }\n";
  return success();
}

static LogicalResult print(QuantizeTilesOp op, SourceWriter &writer) {
  writer.comment(op, "quantize_tiles");
  writer.os << "  quantize_tiles(" << writer.first
            << "{.matrix = {.rows = " << op.getRows()
            << ", .cols = " << op.getCols()
            << ", .tile_rows = " << op.getTileRows()
            << ", .tile_cols = " << op.getTileCols() << "}";
  if (op.getMargin())
    writer.os << ", .margin = " << op.getMargin();
  writer.os << ", .pow2 = " << flag(op.getPow2());
  if (op.getTransposed())
    writer.os << ", .transposed = true";
  writer.os << "},\n                 " << writer.list(op->getOperands())
            << ");\n";
  return success();
}

static LogicalResult print(RecordStatsOp op, SourceWriter &writer) {
  writer.comment(op, "record_stats");
  writer.os << "  record_stats(" << writer.first << "scale_state("
            << writer.use(op.getState()) << "), " << writer.use(op.getStats())
            << ");\n";
  return success();
}

static LogicalResult print(AdvanceScaleOp op, SourceWriter &writer) {
  ValueRange states = op.getStates();
  int64_t window = typeOf(states.front()).getDimSize(0) - getScaleStateWords(0);
  writer.comment(op, withCount("advance_scale", states.size()));
  writer.os << "  {\n    ScaleState *const states[] = "
            << getTable(states.size(),
                        [&](size_t i) {
                          return "scale_state(" + writer.use(states[i]) + ")";
                        })
            << ";\n    advance_scales<" << getElementName(op.getFormat())
            << ">(" << writer.first << "states, " << states.size()
            << ", /*window=*/" << window << ", /*margin=*/" << op.getMargin()
            << ", /*pow2=*/" << flag(op.getPow2()) << ");\n  }\n";
  return success();
}

/// The largest finite number of a format; 0 where there is none.
static std::string getLargest(Attribute format) {
  auto type = dyn_cast<TypeAttr>(format);
  return type ? getFloatLiteral(APFloat::getLargest(
                    cast<FloatType>(type.getValue()).getFloatSemantics()))
              : "0.0f";
}

/// Entry i of the table of updates.
static std::string getUpdate(UpdateScalesOp op, size_t i,
                             const SourceWriter &writer) {
  train::Role role = cast<train::RoleAttr>(op.getRoles()[i]).getValue();
  std::string name = role == train::Role::moment1   ? "moment1"
                     : role == train::Role::moment2 ? "moment2"
                                                    : "parameter";
  Attribute gradientFormat = op.getGradientFormats()[i];
  std::string gradient = writer.use(op.getGradients()[i]);
  if (isa<UnitAttr>(gradientFormat))
    gradient = "as<const float>(" + gradient + ")";
  return "{.role = ScaleUpdate::" + name +
         ", .decays = " + flag(op.getDecays()[i]).str() +
         ", .root = " + flag(op.getRoots()[i]).str() +
         ", .max = " + getLargest(op.getFormats()[i]) +
         ", .gradient = " + gradient +
         ", .gradient_max = " + getLargest(gradientFormat) +
         ", .pair = " + writer.use(op.getPairs()[i]) +
         ", .stats = " + writer.use(op.getStats()[i]) +
         ", .previous = " + writer.use(op.getPrevious()) + " + " +
         std::to_string(kScalePairWords * i) + "}";
}

static LogicalResult print(UpdateScalesOp op, SourceWriter &writer) {
  raw_ostream &os = writer.os;
  size_t count = op.getPairs().size();
  ValueRange cleared = op.getCleared();
  writer.comment(op, "update_scales");
  os << "  {\n    const ScaleUpdate updates[] = "
     << getTable(count, [&](size_t i) { return getUpdate(op, i, writer); })
     << ";\n    Stats *const cleared[] = "
     << getTable(cleared.size(),
                 [&](size_t i) { return writer.use(cleared[i]); })
     << ";\n    update_scales(" << writer.first << "updates, " << count
     << ", cleared, " << cleared.size() << ",\n                  {";
  bool comma = false;
  for (auto [name, value] : {std::pair("coefficient", op.getCoefficient()),
                             {"lr", op.getLr()},
                             {"beta1", op.getBeta1()},
                             {"beta2", op.getBeta2()},
                             {"weight_decay", op.getWeightDecay()},
                             {"step", op.getStep()},
                             {"seed", op.getSeed()}})
    os << (std::exchange(comma, true) ? ", ." : ".") << name << " = "
       << writer.use(value);
  os << "}, " << writer.list({op.getBound(), op.getKey()}) << ");\n  }\n";
  return success();
}

void attachScaleSource(MLIRContext &context) {
  attachSource<ComputeScaleOp, QuantizeTilesOp, RecordStatsOp, AdvanceScaleOp,
               UpdateScalesOp>(context);
}

} // namespace fp8c::target
