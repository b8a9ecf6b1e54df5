// Instantiated graphs: their nodes run in an order that only the captured dependencies bind.

#include <cuda_runtime.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "capture.h"
#include "device_memory.h"
#include "runtime_state.h"
#include "stream.h"

namespace lockstep::cuda_emulation {
namespace {

// Nodes share a pool of ThreadSanitizer's fibers, of which there are only some thousands.
constexpr std::size_t kNodeFibers = 512;

tsan::Fiber NodeFiber(std::size_t number) {
  static auto* fibers = new std::vector<tsan::Fiber>(kNodeFibers, nullptr);
  tsan::Fiber& fiber = (*fibers)[number % kNodeFibers];
  if (fiber == nullptr) fiber = tsan::Create();
  return fiber;
}

struct GraphExec {
  Graph graph;
  std::vector<std::vector<std::size_t>> dependents;
  std::vector<char> node_keys;
  char start_key = 0;
  std::size_t first_fiber = 0;
  std::uint64_t launched = 0, completed = 0;  // launches of one graph run one after another
};

// One launch on its way.
class GraphRun {
 public:
  explicit GraphRun(std::shared_ptr<GraphExec> exec);
  // Runs what can run; true when every node is complete.
  bool Advance();

 private:
  bool AdvanceOneNode();
  bool RunNode(std::size_t node);
  void Complete(std::size_t node);

  std::shared_ptr<GraphExec> exec_;
  std::uint64_t ticket_;
  std::vector<Task> tasks_;
  std::vector<std::size_t> missing_;  // dependencies that are not complete yet, by node
  std::vector<std::size_t> ready_;
  std::size_t left_;
  bool started_ = false;
};

GraphRun::GraphRun(std::shared_ptr<GraphExec> exec)
    : exec_(std::move(exec)), ticket_(exec_->launched++), left_(exec_->graph.nodes.size()) {
  for (std::size_t i = 0; i < left_; ++i) {
    const GraphNode& node = exec_->graph.nodes[i];
    tasks_.push_back(node.maker());
    missing_.push_back(node.dependencies.size());
    if (node.dependencies.empty()) ready_.push_back(i);
  }
}

bool GraphRun::Advance() {
  if (exec_->completed != ticket_) return false;
  if (!started_) tsan::Release(&exec_->start_key);
  started_ = true;
  // Once for all nodes: opening device memory takes longer than many a kernel where processors have
  // no protection keys.
  const DeviceAccess access;
  while (left_ > 0) {
    if (!AdvanceOneNode()) return false;
  }
  for (char& key : exec_->node_keys) tsan::Acquire(&key);
  ++exec_->completed;
  ++statistics().graph_launches;
  return true;
}

// Eager: in the order of capture; lazy: the latest first; random: any. Nodes that wait for other
// processes are passed over.
bool GraphRun::AdvanceOneNode() {
  std::vector<std::size_t> order = ready_;
  std::sort(order.begin(), order.end());
  if (settings().stream_policy == StreamPolicy::kLazy) std::reverse(order.begin(), order.end());
  if (settings().stream_policy == StreamPolicy::kRandom) {
    std::swap(order.front(), order[RandomBelow(static_cast<unsigned>(order.size()))]);
  }
  for (const std::size_t node : order) {
    if (StickyError() != cudaSuccess || RunNode(node)) {
      Complete(node);
      return true;
    }
  }
  return false;
}

bool GraphRun::RunNode(std::size_t node) {
  const tsan::Fiber launcher = tsan::Current();
  tsan::SwitchTo(NodeFiber(exec_->first_fiber + node));
  tsan::Acquire(&exec_->start_key);
  for (const std::size_t before : exec_->graph.nodes[node].dependencies) {
    tsan::Acquire(&exec_->node_keys[before]);
  }
  bool complete = false;
  {
    const tsan::IgnoreScope ignore;
    complete = tasks_[node]();
  }
  tsan::Release(&exec_->node_keys[node]);
  tsan::SwitchTo(launcher);
  return complete;
}

void GraphRun::Complete(std::size_t node) {
  std::erase(ready_, node);
  --left_;
  for (const std::size_t after : exec_->dependents[node]) {
    if (--missing_[after] == 0) ready_.push_back(after);
  }
}

// Instantiated graphs by handle; queued launches hold them too.
std::vector<std::shared_ptr<GraphExec>>& Execs() {
  static auto* execs = new std::vector<std::shared_ptr<GraphExec>>;
  return *execs;
}

std::shared_ptr<GraphExec> FindExec(cudaGraphExec_t handle) {
  for (const auto& exec : Execs()) {
    if (exec.get() == reinterpret_cast<GraphExec*>(handle)) return exec;
  }
  return nullptr;
}

Graph* ToGraph(cudaGraph_t handle) { return reinterpret_cast<Graph*>(handle); }

void SetGraph(GraphExec& exec, const Graph& graph) {
  exec.graph = graph;
  exec.dependents.assign(graph.nodes.size(), {});
  exec.node_keys.assign(graph.nodes.size(), 0);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::size_t before : graph.nodes[i].dependencies) {
      exec.dependents[before].push_back(i);
    }
  }
}

bool SameShape(const Graph& a, const Graph& b) {
  return std::equal(a.nodes.begin(), a.nodes.end(), b.nodes.begin(), b.nodes.end(),
                    [](const GraphNode& x, const GraphNode& y) {
                      return x.name == y.name && x.dependencies == y.dependencies;
                    });
}

}  // namespace
}  // namespace lockstep::cuda_emulation

using namespace lockstep::cuda_emulation;

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* handle, cudaGraph_t graph, unsigned long long) {
  const ApiScope scope;
  if (graph == nullptr) return Return(cudaErrorInvalidValue);
  static std::size_t first_fiber = 0;
  auto exec = std::make_shared<GraphExec>();
  SetGraph(*exec, *ToGraph(graph));
  exec->first_fiber = first_fiber;
  first_fiber += exec->graph.nodes.size();
  Execs().push_back(exec);
  *handle = reinterpret_cast<cudaGraphExec_t>(exec.get());
  return Return(cudaSuccess);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* handle, cudaGraph_t graph,
                                          unsigned long long flags) {
  return cudaGraphInstantiate(handle, graph, flags);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  const ApiScope scope;
  const std::shared_ptr<GraphExec> exec = FindExec(handle);
  if (exec == nullptr) return Refuse(cudaErrorInvalidValue, "cudaGraphLaunch: no such graph");
  const Stream* target = FindStream(stream);
  if (target != nullptr && target->capture != nullptr) {
    return Refuse(cudaErrorNotSupported, "cudaGraphLaunch into a capture is not emulated");
  }
  return Enqueue(stream, "graph", [exec]() -> Task {
    auto run = std::make_shared<GraphRun>(exec);
    return [run] { return run->Advance(); };
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t handle, cudaStream_t) {
  const ApiScope scope;
  return Return(FindExec(handle) != nullptr ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t handle, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* info) {
  const ApiScope scope;
  const std::shared_ptr<GraphExec> exec = FindExec(handle);
  if (exec == nullptr || graph == nullptr) return Return(cudaErrorInvalidValue);
  *info = cudaGraphExecUpdateResultInfo{};
  if (!SameShape(exec->graph, *ToGraph(graph))) {
    info->result = cudaGraphExecUpdateErrorTopologyChanged;
    return Return(cudaErrorGraphExecUpdateFailure);
  }
  info->result = cudaGraphExecUpdateSuccess;
  SetGraph(*exec, *ToGraph(graph));
  return Return(cudaSuccess);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  const ApiScope scope;
  if (graph == nullptr || nodes != nullptr) return Return(cudaErrorNotSupported);
  *count = ToGraph(graph)->nodes.size();
  return Return(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const ApiScope scope;
  delete ToGraph(graph);
  return Return(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  const ApiScope scope;
  const auto removed = std::erase_if(Execs(), [handle](const std::shared_ptr<GraphExec>& exec) {
    return exec.get() == reinterpret_cast<GraphExec*>(handle);
  });
  return Return(removed != 0 ? cudaSuccess : cudaErrorInvalidValue);
}
