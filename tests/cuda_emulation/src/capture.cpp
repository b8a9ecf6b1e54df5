#include "capture.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

thread_local cudaStreamCaptureMode t_mode = cudaStreamCaptureModeGlobal;

bool Forbids(const Capture& capture) {
  if (t_mode == cudaStreamCaptureModeRelaxed) return false;
  if (capture.mode == cudaStreamCaptureModeGlobal)
    return t_mode == cudaStreamCaptureModeGlobal || capture.thread == std::this_thread::get_id();
  return capture.mode == cudaStreamCaptureModeThreadLocal &&
         capture.thread == std::this_thread::get_id();
}

// A node that the origin's last nodes do not depend on would be lost: a fork that never joined.
bool EverythingJoins(const Graph& graph, const std::vector<std::size_t>& frontier) {
  std::set<std::size_t> reached;
  std::vector<std::size_t> todo = frontier;
  while (!todo.empty()) {
    const std::size_t node = todo.back();
    todo.pop_back();
    if (!reached.insert(node).second) continue;
    const auto& before = graph.nodes[node].dependencies;
    todo.insert(todo.end(), before.begin(), before.end());
  }
  return reached.size() == graph.nodes.size();
}

void LeaveCapture(const std::shared_ptr<Capture>& capture) {
  for (Stream* s : AllStreams()) {
    if (s->capture != capture) continue;
    s->capture = nullptr;
    s->frontier.clear();
  }
}

}  // namespace

cudaError_t AddCapturedNode(Stream& stream, const std::string& name, const TaskMaker& maker) {
  if (stream.capture->invalid) return Return(cudaErrorStreamCaptureInvalidated);
  auto& nodes = stream.capture->graph.nodes;
  nodes.push_back({name, maker, stream.frontier});
  stream.frontier = {nodes.size() - 1};
  return cudaSuccess;
}

bool InvalidatesCapture(const std::string& call) {
  bool forbidden = false;
  for (Stream* s : AllStreams()) {
    if (s->capture == nullptr || !Forbids(*s->capture)) continue;
    s->capture->invalid = true;
    forbidden = true;
  }
  if (forbidden) {
    std::fprintf(stderr, "cuda emulation: refused: %s while a stream is capturing\n", call.c_str());
  }
  return forbidden;
}

}  // namespace lockstep::cuda_emulation

using namespace lockstep::cuda_emulation;

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, t_mode);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const ApiScope scope;
  Stream* stream = FindStream(handle);
  if (stream == nullptr || handle == nullptr) {
    return Refuse(cudaErrorStreamCaptureUnsupported, "capture of the legacy default stream");
  }
  if (stream->capture != nullptr) {
    return Refuse(cudaErrorIllegalState, "cudaStreamBeginCapture: the stream captures already");
  }
  stream->capture = std::make_shared<Capture>();
  stream->capture->mode = mode;
  stream->capture->origin = stream;
  stream->capture->thread = std::this_thread::get_id();
  stream->frontier.clear();
  return Return(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const ApiScope scope;
  *graph = nullptr;
  Stream* stream = FindStream(handle);
  if (stream == nullptr || stream->capture == nullptr || stream->capture->origin != stream) {
    return Refuse(cudaErrorIllegalState, "cudaStreamEndCapture: no capture began on this stream");
  }
  const std::shared_ptr<Capture> capture = stream->capture;
  const bool joined = EverythingJoins(capture->graph, stream->frontier);
  LeaveCapture(capture);
  if (capture->invalid) return Return(cudaErrorStreamCaptureInvalidated);
  if (!joined) {
    return Refuse(cudaErrorStreamCaptureUnjoined,
                  "cudaStreamEndCapture: a stream that joined the capture was not joined back");
  }
  *graph = reinterpret_cast<cudaGraph_t>(new Graph(capture->graph));
  return Return(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const ApiScope scope;
  const Stream* stream = FindStream(handle);
  if (stream == nullptr) return Return(cudaErrorInvalidResourceHandle);
  *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return Return(cudaSuccess);
}
