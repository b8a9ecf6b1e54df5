#include "layers/kernels/cuda/steps/cuda_graphs.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace lockstep::cuda {
namespace {

// Of the hundreds that buckets of rows and positions could make, as many as a server's load has at
// a time: each takes megabytes of the device.
constexpr std::size_t kMaxSteps = 64;

void CheckRecording(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  throw EnvironmentError(
      "cuda: {}: {} ({}) while a step was recorded as a graph; parallel.cuda_graphs: off does "
      "without",
      call, cudaGetErrorString(code), cudaGetErrorName(code));
}

// Of the step that this thread records; null while it records none.
thread_local std::vector<std::function<void()>>* t_on_host = nullptr;

class HostWorkScope {
 public:
  explicit HostWorkScope(std::vector<std::function<void()>>& on_host) { t_on_host = &on_host; }
  ~HostWorkScope() { t_on_host = nullptr; }
  HostWorkScope(const HostWorkScope&) = delete;
  HostWorkScope& operator=(const HostWorkScope&) = delete;
};

struct DestroyGraph {
  void operator()(cudaGraph_t graph) const { static_cast<void>(cudaGraphDestroy(graph)); }
};

}  // namespace

void RepeatAtReplay(std::function<void()> work) {
  if (t_on_host != nullptr) t_on_host->push_back(std::move(work));
}

void CudaGraphs::Destroy::operator()(cudaGraphExec_t graph) const {
  static_cast<void>(cudaGraphExecDestroy(graph));
}

void CudaGraphs::Run(const StepKey& key, const std::function<void()>& operations) {
  if (frees_ != FreedDeviceMemory()) DropGraphs();
  frees_ = FreedDeviceMemory();
  const auto known = steps_.find(key);
  if (known == steps_.end()) {
    operations();
    MakeRoom();
    steps_[key].last_run = ++runs_;
    return;
  }
  const bool replays = known->second.graph != nullptr;
  if (!replays) {
    std::vector<std::function<void()>> on_host;
    const HostWorkScope records(on_host);
    Graph graph = Record(operations);
    steps_[key].graph = std::move(graph);
    steps_[key].on_host = std::move(on_host);
  }
  Step& step = steps_[key];
  step.last_run = ++runs_;
  CheckRecording(cudaGraphLaunch(step.graph.get(), stream_.get()), "cudaGraphLaunch");
  if (!replays) return;  // what it has called has done that
  for (const auto& work : step.on_host) work();
}

void CudaGraphs::DropGraphs() {
  for (auto& [key, step] : steps_) {
    step.graph.reset();
    step.on_host.clear();
  }
}

CudaGraphs::Graph CudaGraphs::Record(const std::function<void()>& operations) {
  // Of this thread only: threads of NCCL and of the driver may do what a recording forbids.
  CheckRecording(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal),
                 "cudaStreamBeginCapture");
  cudaGraph_t recorded = nullptr;
  try {
    operations();
  } catch (...) {
    static_cast<void>(cudaStreamEndCapture(stream_.get(), &recorded));
    if (recorded != nullptr) static_cast<void>(cudaGraphDestroy(recorded));
    throw;
  }
  CheckRecording(cudaStreamEndCapture(stream_.get(), &recorded), "cudaStreamEndCapture");
  const std::unique_ptr<CUgraph_st, DestroyGraph> owner(recorded);
  cudaGraphExec_t made = nullptr;
  CheckRecording(cudaGraphInstantiateWithFlags(&made, recorded, 0), "cudaGraphInstantiate");
  return Graph(made);
}

void CudaGraphs::MakeRoom() {
  if (steps_.size() < kMaxSteps) return;
  stream_.Wait();  // none is on its way
  steps_.erase(std::min_element(steps_.begin(), steps_.end(), [](const auto& a, const auto& b) {
    return a.second.last_run < b.second.last_run;
  }));
}

}  // namespace lockstep::cuda
