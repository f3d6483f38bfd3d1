//===- Names.cpp - What things are called in emitted source ---------------===//

#include "Target/Common/Names.h"

#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;

std::string fp8c::target::getElementName(Type type) {
  if (type.isF32())
    return "float";
  if (isa<BFloat16Type>(type))
    return "bf16";
  if (isa<Float16Type>(type))
    return "f16";
  if (isa<Float8E4M3FNType>(type))
    return "e4m3";
  if (isa<Float8E5M2Type>(type))
    return "e5m2";
  if (type.isInteger(64))
    return "int64_t";
  if (type.isSignlessInteger(32))
    return "int32_t";
  return type == exec::getStatsWordType(type.getContext()) ? "Stats"
                                                           : "uint8_t";
}

std::string fp8c::target::getShapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : llvm::enumerate(shape))
    text += (i ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::string fp8c::target::toIdentifier(StringRef name) {
  std::string result;
  for (size_t i = 0; i < name.size(); ++i) {
    // Layers read better without a seam: h.0 is h0.
    if (name[i] == '.' && i + 1 < name.size() && llvm::isDigit(name[i + 1]))
      continue;
    result += llvm::isAlnum(name[i]) ? name[i] : '_';
  }
  if (result.empty() || llvm::isDigit(result[0]))
    result.insert(result.begin(), '_');
  return result;
}

std::string fp8c::target::toTypeName(StringRef name) {
  std::string result;
  bool upper = true;
  for (char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    result += upper ? llvm::toUpper(c) : c;
    upper = false;
  }
  return result + "Kernel";
}

Scope::Scope() {
  static constexpr llvm::StringLiteral reserved[] = {
      // C++, as far as a model may use the word
      "and", "auto", "bool", "break", "case", "char", "class", "const",
      "continue", "default", "delete", "do", "double", "else", "enum", "export",
      "extern", "false", "float", "for", "friend", "if", "inline", "int",
      "long", "namespace", "new", "not", "operator", "or", "private", "public",
      "register", "return", "short", "signed", "static", "struct", "switch",
      "template", "this", "true", "try", "typedef", "union", "unsigned",
      "using", "virtual", "void", "while", "xor",
      // the kernel library, the emitted prelude and tables
      "bf16", "e4m3", "e5m2", "f16", "abs", "amaxes", "accumulate",
      "advance_scales", "as", "at", "attention", "attention_backward", "block",
      "call", "chunk", "clamp", "clear", "cleared", "clip_coefficient", "cols",
      "columns", "columns_multi", "compute_scales", "copy", "count",
      "count_labels", "cross_entropy", "cross_entropy_backward",
      "cross_entropy_fused", "cross_entropy_rows", "device_address",
      "embedding", "embedding_backward", "erf", "exp", "fill", "gemm", "hyper",
      "i", "j", "load", "log", "map", "map_multi", "max", "mean_loss", "min",
      "pairs", "pending_stats", "pow", "quantize", "quantize_tiles",
      "reciprocal", "record_stats", "rotary", "round_to", "row", "rows",
      "rows_multi", "rsqrt", "scale_inv", "scale_state", "select", "sigmoid",
      "sizes", "sqrt", "states", "store", "stream", "sum", "sum_multi", "sums",
      "tanh", "tensors", "tiles", "tiles_multi", "totals", "update_scales",
      "updates"};
  for (StringRef word : reserved)
    counts[word] = 1;
}

std::string Scope::unique(StringRef name) {
  unsigned count = ++counts[name];
  if (count == 1)
    return name.str();
  // The numbered name may itself be taken.
  return unique((name + "_" + llvm::Twine(count)).str());
}
