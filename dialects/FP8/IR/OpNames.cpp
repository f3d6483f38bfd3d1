//===- OpNames.cpp - What recipes and reports call an op ------------------===//

#include "FP8/IR/OpNames.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

StringRef fp8::getName(Operation *op) {
  auto name = op->getAttrOfType<StringAttr>(kNameAttr);
  return name ? name.getValue() : StringRef();
}
std::optional<Phase> fp8::getPhase(Operation *op) {
  auto phase = op->getAttrOfType<PhaseAttr>(kPhaseAttr);
  return phase ? std::optional(phase.getValue()) : std::nullopt;
}
void fp8::setName(Operation *op, StringRef name) {
  op->setDiscardableAttr(kNameAttr, StringAttr::get(op->getContext(), name));
}
void fp8::setPhase(Operation *op, Phase phase) {
  op->setDiscardableAttr(kPhaseAttr, PhaseAttr::get(op->getContext(), phase));
}
void fp8::copyNameAndPhase(Operation *from, Operation *to, StringRef suffix) {
  if (StringRef name = getName(from); !name.empty())
    setName(to, (name + suffix).str());
  if (std::optional<Phase> phase = getPhase(from))
    setPhase(to, *phase);
}

bool fp8::isBackward(Operation *op) {
  std::optional<Phase> phase = getPhase(op);
  return phase == Phase::dgrad || phase == Phase::wgrad;
}

int64_t fp8::getLayer(StringRef name) {
  while (!name.empty()) {
    auto [component, rest] = name.split('/');
    auto [word, number] = component.rsplit('.');
    uint16_t layer; // a larger number counts something else
    if (!word.empty() && !number.getAsInteger(10, layer))
      return layer;
    name = rest;
  }
  return -1;
}
