#pragma once
// Graphs: captured operations and the order that capture found between them.

#include <cuda_runtime.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "stream.h"

namespace lockstep::cuda_emulation {

struct GraphNode {
  std::string name;
  TaskMaker maker;
  std::vector<std::size_t> dependencies;
};

struct Graph {
  std::vector<GraphNode> nodes;
};

// A capture that has begun; every stream that takes part holds it.
struct Capture {
  Graph graph;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  Stream* origin = nullptr;
  std::thread::id thread;
  bool invalid = false;
};

cudaError_t AddCapturedNode(Stream& stream, const std::string& name, const TaskMaker& maker);
// Calls that a capture forbids ask this first: true when there is such a capture, which is then
// invalid, and the call must fail.
bool InvalidatesCapture(const std::string& call);

}  // namespace lockstep::cuda_emulation
