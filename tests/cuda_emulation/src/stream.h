#pragma once
// Streams: queues of operations that run later, in an order that only events and the queues bind.
// Every function here is called inside an ApiScope.

#include <cuda_runtime.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sanitizers.h"

namespace lockstep::cuda_emulation {

struct Capture;

// Takes an operation as far as it can go now; true when it is complete. A collective is not, as
// long as its peers are missing.
using Task = std::function<bool()>;
// Makes the task anew for each time that the operation is queued: once from a stream, and once for
// every launch of a graph that captured it.
using TaskMaker = std::function<Task()>;
// The maker of an operation that completes at once.
TaskMaker Once(std::function<void()> work);

struct Event {
  std::uint64_t recorded = 0;  // records that were queued
  std::uint64_t done = 0;      // the highest of them that has run
  std::uint64_t done_at_ns = 0;
  bool timed = true;
  std::shared_ptr<Capture> capture;  // of the last record, when that was captured
  std::vector<std::size_t> frontier;
  char order_key = 0;
};

struct Operation {
  std::string name;
  Task task;                    // may be empty
  std::shared_ptr<Event> wait;  // runs only after this record of it
  std::uint64_t wait_version = 0;
  std::shared_ptr<Event> record;
  std::uint64_t record_version = 0;
  std::uint64_t overlapping_blocks = 0;  // of a grid that may begin before those before it end
  char order_key = 0;                    // queued before run
};

struct Stream {
  std::deque<std::unique_ptr<Operation>> queue;
  std::uint64_t pushed = 0, popped = 0;
  bool blocking = true;  // ordered with the legacy default stream
  bool running = false;
  unsigned flags = 0;
  int priority = 0, device = 0;
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> frontier;  // captured nodes that the next one depends on
  tsan::Fiber tsan_fiber = nullptr;
  char done_key = 0;
};

// The stream of a handle (null: the legacy default stream), or null for a handle that is none.
Stream* FindStream(cudaStream_t handle);
cudaStream_t Handle(Stream* stream);
Stream* CreateStream(unsigned flags, int priority);
void DestroyStream(Stream* stream);
const std::vector<Stream*>& AllStreams();
std::shared_ptr<Event> FindEvent(cudaEvent_t handle);

// Queues an operation, or adds it to the graph that the stream captures.
// overlapping_blocks: Operation's.
cudaError_t Enqueue(cudaStream_t handle, const std::string& name, const TaskMaker& maker,
                    std::uint64_t overlapping_blocks = 0);
// Queues a prepared operation without looking at captures.
void Push(Stream& stream, std::unique_ptr<Operation> operation);

// Wait, as the calling host thread, while work runs by the stream policy.
void WaitForStream(Stream& stream);
void WaitForEvent(Event& event, std::uint64_t version);
void WaitForAllStreams();
// Waits for the streams that the legacy default stream is ordered with.
void WaitForBlockingStreams();
// Let some work run, as time passing would.
void LetStreamProgress(Stream& stream);
void LetEventProgress(Event& event);
// Runs whatever can run on any stream; true when an operation completed.
bool ProgressAnywhere();

// Throws away what is queued everywhere (after a fault, in tests).
void DiscardQueuedWork();

}  // namespace lockstep::cuda_emulation
