//===- Replicas.cpp - Whether processes hold the same ---------------------===//

#include "core/Replicas.h"

#include "core/Checksum.h"
#include "core/Text.h"

namespace fp8c::runtime {

void checkReplicas(const Instance &instance, Processes &processes) {
  std::string mine;
  for (const Variable &variable : instance.manifest().variables) {
    if (variable.role == Role::GradientParts)
      continue; // each process has its own
    std::vector<unsigned char> bytes(variable.bytes());
    instance.read(variable, bytes.data());
    mine += concat("\"", variable.name, "\" with ",
                   checksumOf(bytes.data(), bytes.size()), "\n");
  }
  processes.expectSame("checksums", mine,
                       "this is a fault of fp8c or of the machine: please "
                       "report it with the program");
}

} // namespace fp8c::runtime
