#pragma once
// Runs a function as several processes, which share one NCCL id and a little memory.

#include <cuda_runtime.h>
#include <nccl.h>

#include <cstdio>
#include <cstdlib>
#include <functional>

// What the processes of a scenario share from the beginning.
struct Meeting {
  ncclUniqueId id;
  cudaIpcMemHandle_t handles[16];
  int arrived;  // changed by atomic operations alone
};

struct Rank {
  int rank = 0;
  int size = 1;
  Meeting* meeting = nullptr;
};

// Waits until every process has come here; not before: anything of CUDA, in the parent.
void MeetOthers(const Rank& me);

// The number of processes that ended with a status other than 0.
int RunRanks(int size, const std::function<void(const Rank&)>& scenario);

// Ends the process with a message unless the condition holds.
#define REQUIRE(condition)                                                           \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::fflush(stderr);                                                           \
      std::_Exit(1);                                                                 \
    }                                                                                \
  } while (0)
#define REQUIRE_OK(call) REQUIRE((call) == 0)
