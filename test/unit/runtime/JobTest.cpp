#include "comm/Job.h"

#include "TestFiles.h"

#include <cstdlib>
#include <map>
#include <string>
#include <sys/stat.h>

using namespace fp8c::runtime;

namespace {

const char *const token = "0123456789abcdef";

using Environment = std::map<std::string, std::string>;

/// Variables that launchers set, for a while.
class Launched {
public:
  explicit Launched(const Environment &environment) {
    clear();
    setenv("FP8C_TOKEN", token, 1);
    for (const auto &[name, value] : environment)
      setenv(name.c_str(), value.c_str(), 1);
  }
  ~Launched() { clear(); }

private:
  static void clear() {
    for (const char *name : {"FP8C_TOKEN",
                             "RANK",
                             "WORLD_SIZE",
                             "LOCAL_RANK",
                             "MASTER_ADDR",
                             "MASTER_PORT",
                             "TORCHELASTIC_USE_AGENT_STORE",
                             "SLURM_PROCID",
                             "SLURM_STEP_NUM_TASKS",
                             "SLURM_LOCALID",
                             "SLURM_STEP_NODELIST",
                             "SLURM_JOB_ID",
                             "SLURM_NTASKS",
                             "OMPI_COMM_WORLD_SIZE",
                             "OMPI_COMM_WORLD_RANK",
                             "OMPI_COMM_WORLD_LOCAL_RANK",
                             "OMPI_COMM_WORLD_LOCAL_SIZE",
                             "PMI_SIZE",
                             "PMI_RANK",
                             "MPI_LOCALRANKID",
                             "MPI_LOCALNRANKS"})
      unsetenv(name);
  }
};

Environment with(Environment environment, const Environment &more) {
  for (const auto &[name, value] : more)
    environment[name] = value;
  return environment;
}

struct Case {
  Environment environment;
  int rank, size, localRank;
  std::string host;
  int port;
};

const Environment torchrun = {{"RANK", "5"},
                              {"WORLD_SIZE", "8"},
                              {"LOCAL_RANK", "1"},
                              {"MASTER_ADDR", "gpu1"},
                              {"MASTER_PORT", "29500"}};
const Environment slurm = {{"SLURM_PROCID", "5"},
                           {"SLURM_STEP_NUM_TASKS", "8"},
                           {"SLURM_LOCALID", "1"},
                           {"SLURM_STEP_NODELIST", "gpu[012-014,020],login"},
                           {"SLURM_JOB_ID", "1234567"}};
const Environment openMPI = {{"OMPI_COMM_WORLD_SIZE", "4"},
                             {"OMPI_COMM_WORLD_RANK", "3"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "3"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};
const Environment mpich = {{"PMI_SIZE", "4"},
                           {"PMI_RANK", "2"},
                           {"MPI_LOCALRANKID", "2"},
                           {"MPI_LOCALNRANKS", "4"}};

Job jobIn(const Environment &environment, const JobOptions &options = {}) {
  Launched launched(environment);
  return Job::fromEnvironment(options);
}

} // namespace

TEST(JobTest, LaunchersSayWhoAProcessIs) {
  const std::vector<Case> cases = {
      {{}, 0, 1, 0, "", 0},
      {torchrun, 5, 8, 1, "gpu1", 29500},
      {with(torchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "True"}}), 5, 8, 1,
       "gpu1", 29501},
      {slurm, 5, 8, 1, "gpu012", 29967},
      {openMPI, 3, 4, 3, "127.0.0.1", 29400},
      {mpich, 2, 4, 2, "127.0.0.1", 29400},
      // Within an allocation, but not started by srun.
      {{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}, 0, 1, 0, "", 0},
      // One process needs neither address nor token.
      {with(slurm, {{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}), 0,
       1, 0, "", 0},
  };
  for (const Case &one : cases) {
    const Job job = jobIn(one.environment);
    EXPECT_EQ(job.rank, one.rank);
    EXPECT_EQ(job.size, one.size);
    EXPECT_EQ(job.localRank, one.localRank);
    EXPECT_EQ(job.host, one.host);
    EXPECT_EQ(job.port, one.port);
    EXPECT_EQ(job.token, one.size > 1 ? token : "");
  }
}

TEST(JobTest, TheFirstNodeOfSlurmsLists) {
  for (const auto &[list, first] : std::map<std::string, std::string>{
           {"gpu1", "gpu1"},
           {"gpu1,gpu2", "gpu1"},
           {"gpu[1-4]", "gpu1"},
           {"gpu[07,09]", "gpu07"},
           {"gpu[3]", "gpu3"},
           {"gpu[1-2].cluster,login", "gpu1.cluster"},
           {"a-b[10-12],c[1-2]", "a-b10"}})
    EXPECT_EQ(jobIn(with(slurm, {{"SLURM_STEP_NODELIST", list}})).host, first);
}

TEST(JobTest, AnAddressIsTakenApart) {
  struct Address {
    std::string text, host;
    int port;
  };
  for (const Address &one : {Address{"gpu1:2000", "gpu1", 2000},
                             Address{"10.0.0.1:65535", "10.0.0.1", 65535},
                             Address{"[fe80::1]:1", "fe80::1", 1}}) {
    const Job job = jobIn(openMPI, {one.text, "", 60});
    EXPECT_EQ(job.host, one.host);
    EXPECT_EQ(job.port, one.port);
  }
  for (const char *text : {"gpu1:0", "gpu1:65536"})
    EXPECT_ERROR("there is no port", jobIn(openMPI, {text, "", 60}));
  for (const char *text :
       {"gpu1", "gpu1:", "gpu1:-1", "gpu1:1x", ":2000", "2000"})
    EXPECT_ERROR("HOST:PORT", jobIn(openMPI, {text, "", 60}));
}

TEST(JobTest, WhatIsMissingIsNamed) {
  const std::vector<std::pair<Environment, std::string>> cases = {
      {with(torchrun, {{"RANK", "8"}}), "rank 8 of 8"},
      {with(torchrun, {{"RANK", "-1"}}), "RANK is \"-1\""},
      {with(torchrun, {{"WORLD_SIZE", "many"}}), "WORLD_SIZE is \"many\""},
      {with(torchrun, {{"MASTER_ADDR", ""}}), "where the processes meet"},
      {with(torchrun, {{"MASTER_PORT", ""}}), "no MASTER_PORT"},
      {with(slurm, {{"SLURM_STEP_NODELIST", ""}}), "where the processes meet"},
      // On several machines nobody knows the first one.
      {with(openMPI, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}),
       "where the processes meet"},
      {with(mpich, {{"FP8C_TOKEN", ""}}), "no token"},
      {with(mpich, {{"FP8C_TOKEN", "0123"}}), "less than 16"},
  };
  for (const auto &[environment, says] : cases)
    EXPECT_ERROR(says, jobIn(environment));
}

TEST(JobTest, TokenFilesAreSecret) {
  TestFolder folder;
  const std::string path = folder.write("token", "abcdefghijklmnopqrst\n");
  chmod(path.c_str(), 0600);
  EXPECT_EQ(jobIn(openMPI, {"", path, 60}).token, "abcdefghijklmnopqrst");
  for (const mode_t mode : {0640, 0604, 0644}) {
    chmod(path.c_str(), mode);
    EXPECT_ERROR("others can read", jobIn(openMPI, {"", path, 60}));
  }
  EXPECT_ERROR("cannot read the token", jobIn(openMPI, {"", path + "x", 60}));
}
