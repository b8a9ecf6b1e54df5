#include "stream.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "capture.h"
#include "device_slots.h"
#include "idle_progress.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

constexpr int kPauseMicroseconds = 20;

std::vector<Stream*>& Streams() {
  static auto* streams = new std::vector<Stream*>;
  return *streams;
}

Stream* LegacyStream() {
  static Stream* stream = CreateStream(cudaStreamDefault, 0);
  return stream;
}

std::uint64_t NowNs() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1000000000u + static_cast<std::uint64_t>(t.tv_nsec);
}

bool CanRun(const Stream& s) {
  if (s.running || s.queue.empty()) return false;
  const Operation& head = *s.queue.front();
  return head.wait == nullptr || head.wait->done >= head.wait_version;
}

// Runs the task as the stream; true when it is complete.
bool RunAsStream(Stream& s, Operation& operation) {
  const tsan::Fiber caller = tsan::Current();
  tsan::SwitchTo(s.tsan_fiber);
  tsan::Acquire(&operation.order_key);
  if (operation.wait != nullptr) tsan::Acquire(&operation.wait->order_key);
  bool complete = true;
  if (operation.task) {
    const tsan::IgnoreScope ignore;
    complete = operation.task();
  }
  if (complete && operation.record != nullptr) tsan::Release(&operation.record->order_key);
  tsan::Release(&s.done_key);
  tsan::SwitchTo(caller);
  return complete;
}

// Takes the head of the queue as far as it goes; true when it completed.
bool RunHead(Stream& s) {
  Operation& head = *s.queue.front();
  s.running = true;
  SetBlocksOfNextGrid(s.queue.size() > 1 ? s.queue[1]->overlapping_blocks : 0);
  const bool complete = StickyError() != cudaSuccess || RunAsStream(s, head);
  s.running = false;
  if (!complete) return false;
  if (head.record != nullptr) {
    head.record->done = std::max(head.record->done, head.record_version);
    head.record->done_at_ns = NowNs();
  }
  s.queue.pop_front();
  ++s.popped;
  return true;
}

bool TryRun(Stream& s) { return CanRun(s) && RunHead(s); }

bool TryRandomStream() {
  std::vector<Stream*> able;
  for (Stream* s : Streams()) {
    if (CanRun(*s)) able.push_back(s);
  }
  return !able.empty() && RunHead(*able[RandomBelow(static_cast<unsigned>(able.size()))]);
}

Stream* StreamThatRecords(const Event& event, std::uint64_t version) {
  for (Stream* s : Streams()) {
    for (const auto& operation : s->queue) {
      if (operation->record.get() == &event && operation->record_version >= version) return s;
    }
  }
  return nullptr;
}

// Brings s a step nearer to its end; runs no more elsewhere than that needs, unless the policy is
// random or s waits for something outside.
bool ProgressFor(Stream& s) {
  if (settings().stream_policy == StreamPolicy::kRandom && TryRandomStream()) return true;
  if (TryRun(s)) return true;
  if (!s.queue.empty() && s.queue.front()->wait != nullptr && !CanRun(s)) {
    const Operation& head = *s.queue.front();
    Stream* owner = StreamThatRecords(*head.wait, head.wait_version);
    if (owner != nullptr && owner != &s && ProgressFor(*owner)) return true;
  }
  return ProgressAnywhere();
}

template <class Done>
void WaitUntil(const Done& done, const std::function<bool()>& progress) {
  while (!done()) {
    if (!progress()) PauseWithoutLock(kPauseMicroseconds);
  }
}

}  // namespace

TaskMaker Once(std::function<void()> work) {
  return [work = std::move(work)]() -> Task {
    return [work] {
      work();
      return true;
    };
  };
}

const std::vector<Stream*>& AllStreams() { return Streams(); }

Stream* CreateStream(unsigned flags, int priority) {
  auto* stream = new Stream;
  stream->flags = flags;
  stream->blocking = (flags & cudaStreamNonBlocking) == 0;
  stream->priority = priority;
  stream->device = CurrentDevice();
  stream->tsan_fiber = tsan::Create();  // now: what the host does so far comes before it
  Streams().push_back(stream);
  return stream;
}

void DestroyStream(Stream* stream) {
  std::erase(Streams(), stream);
  tsan::Destroy(stream->tsan_fiber);
  delete stream;
}

Stream* FindStream(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return LegacyStream();
  auto* stream = reinterpret_cast<Stream*>(handle);
  return std::count(Streams().begin(), Streams().end(), stream) != 0 ? stream : nullptr;
}

cudaStream_t Handle(Stream* stream) { return reinterpret_cast<cudaStream_t>(stream); }

cudaError_t Enqueue(cudaStream_t handle, const std::string& name, const TaskMaker& maker,
                    std::uint64_t overlapping_blocks) {
  if (StickyError() != cudaSuccess) return Return(cudaSuccess);
  Stream* stream = FindStream(handle);
  if (stream == nullptr) {
    return Refuse(cudaErrorInvalidResourceHandle, name + ": no such stream");
  }
  if (stream->capture != nullptr) return AddCapturedNode(*stream, name, maker);
  if (stream == LegacyStream()) {
    if (InvalidatesCapture(name)) return Return(cudaErrorStreamCaptureImplicit);
    WaitForBlockingStreams();
  }
  auto operation = std::make_unique<Operation>();
  operation->name = name;
  operation->task = maker();
  operation->overlapping_blocks = overlapping_blocks;
  Push(*stream, std::move(operation));
  return Return(cudaSuccess);
}

void Push(Stream& stream, std::unique_ptr<Operation> operation) {
  tsan::Release(&operation->order_key);
  stream.queue.push_back(std::move(operation));
  ++stream.pushed;
  ++statistics().enqueued;
  switch (settings().stream_policy) {
    case StreamPolicy::kEager:
      while (ProgressAnywhere()) {
      }
      break;
    case StreamPolicy::kLazy: break;
    case StreamPolicy::kRandom:
      for (unsigned steps = RandomBelow(3); steps > 0; --steps) TryRandomStream();
      break;
  }
  StartIdleProgress();
}

bool ProgressAnywhere() {
  bool progress = false;
  const std::vector<Stream*> streams = Streams();  // a host function may create more
  for (Stream* s : streams) {
    while (TryRun(*s)) progress = true;
  }
  return progress;
}

void WaitForStream(Stream& stream) {
  const std::uint64_t target = stream.pushed;
  WaitUntil([&] { return stream.popped >= target; }, [&] { return ProgressFor(stream); });
  tsan::Acquire(&stream.done_key);
}

void WaitForEvent(Event& event, std::uint64_t version) {
  WaitUntil([&] { return event.done >= version; },
            [&] {
              Stream* owner = StreamThatRecords(event, version);
              return owner != nullptr ? ProgressFor(*owner) : ProgressAnywhere();
            });
  tsan::Acquire(&event.order_key);
}

void WaitForAllStreams() {
  const std::vector<Stream*> streams = Streams();
  for (Stream* s : streams) WaitForStream(*s);
}

void WaitForBlockingStreams() {
  const std::vector<Stream*> streams = Streams();
  for (Stream* s : streams) {
    if (s->blocking) WaitForStream(*s);
  }
}

void LetStreamProgress(Stream& stream) { ProgressFor(stream); }

void LetEventProgress(Event& event) {
  Stream* owner = StreamThatRecords(event, event.recorded);
  if (owner != nullptr) ProgressFor(*owner);
}

void DiscardQueuedWork() {
  for (Stream* s : Streams()) {
    for (const auto& operation : s->queue) {
      if (operation->record != nullptr) {
        operation->record->done = std::max(operation->record->done, operation->record_version);
      }
    }
    s->popped += s->queue.size();
    s->queue.clear();
  }
}

}  // namespace lockstep::cuda_emulation
