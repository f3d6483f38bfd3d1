//===- Job.h - Who a process is among those of its job ----------*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_JOB_H
#define FP8C_RUNTIME_COMM_JOB_H

#include <chrono>
#include <string>

namespace fp8c::runtime {

/// What a user says of a job besides what its launcher does.
struct JobOptions {
  std::string address;   ///< HOST:PORT where rank 0 listens; empty: see docs
  std::string tokenFile; ///< empty: FP8C_TOKEN of the environment
  int timeout = 60;      ///< seconds in which all processes must have come
};

/// Who a process is among those that were launched with it, and where they
/// meet.
struct Job {
  int rank = 0, size = 1;
  int localRank = 0; ///< among those of this machine
  std::string host;  ///< where rank 0 listens
  int port = 0;
  std::string token; ///< what shows that a process belongs to the job
  int listener = -1; ///< a socket of rank 0 that listens there already
  std::chrono::seconds timeout{60};

  /// What launchProcesses(), or the launcher that started this process, has
  /// made it: torchrun (RANK, WORLD_SIZE, …), Open MPI's mpirun (OMPI_…), srun
  /// (SLURM_…) or MPICH's and Intel's mpiexec (PMI_…). Alone if there was none.
  /// Throws Error if something is missing.
  static Job fromEnvironment(const JobOptions &options);
};

/// The job of this process: alone until it is set.
const Job &currentJob();
void setCurrentJob(Job job);

/// Makes `count` processes of this one, which must have one thread. Returns in
/// each of them, without a value; the one that launched them gets their common
/// exit status, once all have ended: that of the first that failed. When one
/// fails the others have 5 s to end by themselves.
struct Launched {
  bool isLauncher;
  int status; ///< of the launcher
};
Launched launchProcesses(int count, std::chrono::seconds timeout);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_COMM_JOB_H
