//===- Replicas.cpp - Whether processes hold the same ---------------------===//

#include "core/Replicas.h"

#include "core/Checksum.h"
#include "core/Error.h"
#include "core/Text.h"

namespace fp8c::runtime {

void checkReplicas(const Instance &instance, Processes &processes) {
  std::string mine;
  for (const Variable &variable : instance.manifest().variables) {
    std::vector<unsigned char> bytes(variable.bytes());
    instance.read(variable, bytes.data());
    mine += checksumOf(bytes.data(), bytes.size()) + "\n";
  }
  const std::string first = processes.broadcast("checksums", mine);
  const std::vector<double> differs =
      processes.gatherValues("differences", mine == first ? 0.0 : 1.0);
  size_t line = 0;
  for (const Variable &variable : instance.manifest().variables) {
    const size_t end = mine.find('\n', line);
    if (mine.compare(line, end - line, first, line, end - line) != 0)
      throw Error(concat("rank ", processes.rank, " holds another \"",
                         variable.name, "\" than rank 0"),
                  "this is a fault of fp8c or of the machine: please report it "
                  "with the program");
    line = end + 1;
  }
  for (size_t rank = 0; rank < differs.size(); ++rank)
    if (differs[rank] != 0)
      throw Error(concat("rank ", rank, " holds other variables than rank 0"),
                  "it says which");
}

} // namespace fp8c::runtime
