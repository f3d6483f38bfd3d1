//===- Job.cpp - Who a process is among those of its job ------------------===//

#include "comm/Job.h"

#include "core/Error.h"
#include "core/Text.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sys/stat.h>
#include <utility>

namespace fp8c::runtime {
namespace {

constexpr int defaultPort = 29400, ports = 1000;
constexpr size_t shortestToken = 16;

Job current;

std::string text(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

std::optional<int> toNumber(const std::string &value) {
  char *end = nullptr;
  errno = 0;
  const long number = std::strtol(value.c_str(), &end, 10);
  if (value.empty() || *end || errno || number < 0 || number > 1 << 30)
    return {};
  return static_cast<int>(number);
}

int number(const char *name, std::optional<int> otherwise = {}) {
  const std::string value = text(name);
  if (value.empty() && otherwise)
    return *otherwise;
  if (std::optional<int> parsed = toNumber(value))
    return *parsed;
  throw Error(value.empty() ? concat("the environment has no ", name)
                            : concat("the environment's ", name, " is \"",
                                     value, "\", which is no number"),
              "the launcher of this process should set it");
}

/// The variables in which a launcher says who a process is.
struct Launcher {
  const char *size, *rank, *localRank;
  const char *localSize; ///< only where it does not say where rank 0 is
};
constexpr Launcher torchrun = {"WORLD_SIZE", "RANK", "LOCAL_RANK", ""};
constexpr Launcher slurm = {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID",
                            "SLURM_LOCALID", ""};
constexpr Launcher openMPI = {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK",
                              "OMPI_COMM_WORLD_LOCAL_RANK",
                              "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Launcher mpich = {"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID",
                            "MPI_LOCALNRANKS"};

/// The first one of a list of Slurm's: "gpu[012-014,020],login" is gpu012.
std::string firstHost(const std::string &list) {
  const size_t bracket = list.find_first_of(",[");
  if (bracket == std::string::npos || list[bracket] == ',')
    return list.substr(0, bracket);
  const size_t end = list.find_first_of("-,]", bracket),
               closed = list.find(']', bracket);
  if (end == std::string::npos || closed == std::string::npos)
    return "";
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1) +
         list.substr(closed + 1, list.find(',', closed) - closed - 1);
}

void setAddress(Job &job, const std::string &address) {
  const size_t colon = address.rfind(':');
  const std::optional<int> port = colon == std::string::npos
                                      ? std::nullopt
                                      : toNumber(address.substr(colon + 1));
  if (!port || colon == 0)
    throw Error(concat("the address is \"", address, "\", expected HOST:PORT"),
                "give the first process's host and a free port of it");
  job.host = address.substr(0, colon);
  if (job.host.size() > 2 && job.host.front() == '[' && job.host.back() == ']')
    job.host = job.host.substr(1, job.host.size() - 2);
  job.port = *port;
}

/// Where rank 0 listens if nobody says it.
void guessAddress(Job &job, const Launcher &launcher) {
  if (&launcher == &torchrun) {
    job.host = text("MASTER_ADDR");
    job.port = number("MASTER_PORT");
    // There listens torchrun itself.
    if (text("TORCHELASTIC_USE_AGENT_STORE") == "True")
      ++job.port;
  } else if (&launcher == &slurm) {
    job.host = firstHost(text("SLURM_STEP_NODELIST"));
    job.port = defaultPort + number("SLURM_JOB_ID", 0) % ports;
  } else if (number(launcher.localSize, 0) == job.size) {
    job.host = "127.0.0.1";
    job.port = defaultPort;
  }
  if (job.host.empty())
    throw Error("nobody says where the processes meet",
                "give --address HOST:PORT, with the first process's host and a "
                "free port of it, or set FP8C_ADDRESS");
}

std::string readToken(const std::string &path) {
  struct stat status;
  std::ifstream file(path);
  if (!file || stat(path.c_str(), &status) != 0)
    throw Error::inFile(
        path, concat("cannot read the token: ", std::strerror(errno)));
  if (!S_ISREG(status.st_mode) || status.st_mode & 077)
    throw Error::inFile(path, "others can read the token's file",
                        "chmod 600 it, and make a new token");
  std::string token;
  std::getline(file, token);
  return token;
}

void setToken(Job &job, const std::string &file) {
  job.token = file.empty() ? text("FP8C_TOKEN") : readToken(file);
  if (job.token.size() < shortestToken)
    throw Error(job.token.empty() ? std::string("the job has no token")
                                  : concat("the job's token has less than ",
                                           shortestToken, " characters"),
                "give all processes the same secret: export "
                "FP8C_TOKEN=$(openssl rand -hex 16), or --token-file");
}

} // namespace

Job Job::fromEnvironment(const JobOptions &options) {
  for (const Launcher *launcher : {&torchrun, &slurm, &openMPI, &mpich}) {
    if (text(launcher->size).empty() || text(launcher->rank).empty())
      continue;
    Job job;
    job.timeout = std::chrono::seconds(options.timeout);
    job.size = number(launcher->size);
    job.rank = number(launcher->rank);
    job.localRank = number(launcher->localRank, 0);
    if (job.rank >= job.size)
      throw Error(concat("the launcher says that this is rank ", job.rank,
                         " of ", job.size, ", which are counted from 0"));
    if (job.size == 1)
      return {};
    if (options.address.empty())
      guessAddress(job, *launcher);
    else
      setAddress(job, options.address);
    if (job.port < 1 || job.port > 65535)
      throw Error(concat("there is no port ", job.port),
                  "ports are numbers from 1 to 65535");
    setToken(job, options.tokenFile);
    return job;
  }
  return {};
}

const Job &currentJob() { return current; }
void setCurrentJob(Job job) { current = std::move(job); }

} // namespace fp8c::runtime
