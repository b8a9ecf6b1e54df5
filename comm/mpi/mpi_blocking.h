#pragma once

#include <functional>
#include <span>
#include <string>

namespace lockstep {

// The calls of MPI that wait for other ranks and cannot be given up. They are made in
// mpi_blocking.cpp alone, each under a deadline: when it passes, the process says so and ends with
// kRankFailure. Everywhere else ranks wait by polling (tests/layering).
struct MpiLimit {
  double seconds;
  std::function<std::string()> message;  // asked for when the deadline has passed
};

// Starts MPI, with errors returned. Throws EnvironmentError.
void StartMpi(const MpiLimit& limit);

// MPI_Finalize().
void LeaveMpi(const MpiLimit& limit);

// Ends all ranks, within seconds.
[[noreturn]] void AbortMpi(int exit_code);

// The seconds that `repeats` calls of MPI's own all-reduce take.
struct MpiSum {
  std::span<const float> values;
  std::span<float> sums;
  int repeats;
};
double SecondsOfMpiAllReduce(const MpiSum& sum, const MpiLimit& limit);

}  // namespace lockstep
