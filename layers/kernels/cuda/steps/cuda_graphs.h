#pragma once

#include <cuda_runtime.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/step_runner.h"

namespace lockstep::cuda {

// What decides which operations a step enqueues, with which arguments.
struct StepKey {
  const void* caller = nullptr;
  std::int64_t rows = 0;
  std::int64_t max_positions = 0;

  auto operator<=>(const StepKey&) const = default;
};

// What the host does beside an operation that has just been enqueued, such as counting it: while
// this thread records a step it is done again whenever the step is replayed. Else it is forgotten.
void RepeatAtReplay(std::function<void()> work);

// Steps recorded as CUDA graphs. The first step of a key is run, so that buffers get the size it
// takes; the second is recorded; from then on one launch replays all of it. Graphs are dropped when
// memory of the device has been freed since, as they may refer to it, and recorded again.
//
// So whether a step goes out as a graph follows from the keys since Clear() alone, which are the
// same on all ranks as the steps are. NCCL wants that: a sum that some ranks launch in a graph and
// others do not may hang or be wrong. What only one rank does (memory that it frees) changes what
// it records, and not how it launches.
class CudaGraphs {
 public:
  explicit CudaGraphs(CudaStream& stream) : stream_(stream) {}

  // `operations` enqueue on the stream and wait for nothing. Throws what they throw, or
  // Error(kEnvironment) where they cannot be recorded.
  void Run(const StepKey& key, const std::function<void()>& operations);
  // Collective: no rank knows any step from here on.
  void Clear() { steps_.clear(); }

 private:
  struct Destroy {
    void operator()(cudaGraphExec_t graph) const;
  };
  using Graph = std::unique_ptr<CUgraphExec_st, Destroy>;
  struct Step {
    Graph graph;                                 // null: to be recorded the next time
    std::vector<std::function<void()>> on_host;  // RepeatAtReplay()
    std::uint64_t last_run = 0;
  };

  void DropGraphs();
  Graph Record(const std::function<void()>& operations);
  void MakeRoom();

  CudaStream& stream_;
  std::map<StepKey, Step> steps_;
  std::uint64_t frees_ = 0;  // FreedDeviceMemory() as the steps know it
  std::uint64_t runs_ = 0;
};

}  // namespace lockstep::cuda
