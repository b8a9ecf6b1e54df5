// Streams and events as the runtime API shows them.

#include <cuda_runtime.h>

#include <algorithm>
#include <map>

#include "capture.h"
#include "runtime_state.h"
#include "stream.h"

using namespace lockstep::cuda_emulation;

namespace {

std::map<Event*, std::shared_ptr<Event>>& Events() {
  static auto* events = new std::map<Event*, std::shared_ptr<Event>>;
  return *events;
}

void JoinCapture(Stream& stream, const Event& event) {
  if (stream.capture == nullptr) {  // the fork: this stream takes part from here on
    stream.capture = event.capture;
    stream.frontier = event.frontier;
    return;
  }
  for (const std::size_t node : event.frontier) {
    const auto& known = stream.frontier;
    if (std::find(known.begin(), known.end(), node) == known.end()) stream.frontier.push_back(node);
  }
}

cudaError_t BadStream(const char* call) {
  return Refuse(cudaErrorInvalidResourceHandle, std::string(call) + ": no such stream");
}
cudaError_t BadEvent(const char* call) {
  return Refuse(cudaErrorInvalidResourceHandle, std::string(call) + ": no such event");
}

}  // namespace

std::shared_ptr<Event> lockstep::cuda_emulation::FindEvent(cudaEvent_t handle) {
  const auto found = Events().find(reinterpret_cast<Event*>(handle));
  return found != Events().end() ? found->second : nullptr;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  const ApiScope scope;
  *stream = Handle(CreateStream(flags, priority));
  return Return(cudaSuccess);
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const ApiScope scope;
  Stream* stream = FindStream(handle);
  if (stream == nullptr || handle == nullptr) return BadStream("cudaStreamDestroy");
  WaitForStream(*stream);
  DestroyStream(stream);
  return Return(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const ApiScope scope;
  if (InvalidatesCapture("cudaStreamSynchronize")) return Return(cudaErrorStreamCaptureUnsupported);
  Stream* stream = FindStream(handle);
  if (stream == nullptr) return BadStream("cudaStreamSynchronize");
  if (handle == nullptr) WaitForBlockingStreams();
  WaitForStream(*stream);
  ++statistics().waits;
  return Return(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize() {
  const ApiScope scope;
  if (InvalidatesCapture("cudaDeviceSynchronize")) return Return(cudaErrorStreamCaptureUnsupported);
  WaitForAllStreams();
  ++statistics().waits;
  return Return(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const ApiScope scope;
  Stream* stream = FindStream(handle);
  if (stream == nullptr) return BadStream("cudaStreamQuery");
  if (InvalidatesCapture("cudaStreamQuery")) return Return(cudaErrorStreamCaptureUnsupported);
  if (!stream->queue.empty()) LetStreamProgress(*stream);
  if (StickyError() != cudaSuccess) return Return(cudaSuccess);
  if (!stream->queue.empty()) return cudaErrorNotReady;
  tsan::Acquire(&stream->done_key);
  ++statistics().waits;
  return Return(cudaSuccess);
}

cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  const ApiScope scope;
  const Stream* stream = FindStream(handle);
  if (stream == nullptr) return BadStream("cudaStreamGetFlags");
  *flags = stream->flags;
  return Return(cudaSuccess);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  const ApiScope scope;
  return Enqueue(stream, "host function", Once([function, argument] {
                   const tsan::WatchScope watch;
                   function(argument);
                 }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  const ApiScope scope;
  auto event = std::make_shared<Event>();
  event->timed = (flags & cudaEventDisableTiming) == 0;
  *handle = reinterpret_cast<cudaEvent_t>(event.get());
  Events()[event.get()] = event;
  return Return(cudaSuccess);
}
cudaError_t cudaEventCreate(cudaEvent_t* handle) {
  return cudaEventCreateWithFlags(handle, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  const ApiScope scope;
  if (Events().erase(reinterpret_cast<Event*>(handle)) == 0) return BadEvent("cudaEventDestroy");
  return Return(cudaSuccess);  // queued records and waits hold it
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  const ApiScope scope;
  const std::shared_ptr<Event> event = FindEvent(handle);
  Stream* stream = FindStream(stream_handle);
  if (event == nullptr) return BadEvent("cudaEventRecord");
  if (stream == nullptr) return BadStream("cudaEventRecord");
  event->capture = stream->capture;
  event->frontier = stream->frontier;
  if (stream->capture != nullptr) return Return(cudaSuccess);
  auto operation = std::make_unique<Operation>();
  operation->name = "event record";
  operation->record = event;
  operation->record_version = ++event->recorded;
  Push(*stream, std::move(operation));
  return Return(cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t handle, unsigned) {
  const ApiScope scope;
  const std::shared_ptr<Event> event = FindEvent(handle);
  Stream* stream = FindStream(stream_handle);
  if (event == nullptr) return BadEvent("cudaStreamWaitEvent");
  if (stream == nullptr) return BadStream("cudaStreamWaitEvent");
  if (event->capture != nullptr) {
    if (stream->capture != nullptr && stream->capture != event->capture) {
      return Refuse(cudaErrorStreamCaptureMerge,
                    "cudaStreamWaitEvent: the event is of another capture");
    }
    JoinCapture(*stream, *event);
    return Return(cudaSuccess);
  }
  if (stream->capture != nullptr) {
    stream->capture->invalid = true;
    return Refuse(cudaErrorStreamCaptureIsolation,
                  "cudaStreamWaitEvent: a capture waits for an event recorded outside of it");
  }
  if (event->recorded == 0) return Return(cudaSuccess);
  auto operation = std::make_unique<Operation>();
  operation->name = "event wait";
  operation->wait = event;
  operation->wait_version = event->recorded;
  Push(*stream, std::move(operation));
  return Return(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  const ApiScope scope;
  if (InvalidatesCapture("cudaEventSynchronize")) return Return(cudaErrorStreamCaptureUnsupported);
  const std::shared_ptr<Event> event = FindEvent(handle);
  if (event == nullptr) return BadEvent("cudaEventSynchronize");
  if (event->capture != nullptr) return Return(cudaErrorCapturedEvent);
  WaitForEvent(*event, event->recorded);
  ++statistics().waits;
  return Return(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const ApiScope scope;
  const std::shared_ptr<Event> event = FindEvent(handle);
  if (event == nullptr) return BadEvent("cudaEventQuery");
  if (event->capture != nullptr) return Return(cudaErrorCapturedEvent);
  if (event->done < event->recorded) LetEventProgress(*event);
  if (StickyError() != cudaSuccess) return Return(cudaSuccess);
  if (event->done < event->recorded) return cudaErrorNotReady;
  tsan::Acquire(&event->order_key);
  ++statistics().waits;
  return Return(cudaSuccess);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const ApiScope scope;
  const std::shared_ptr<Event> first = FindEvent(start), last = FindEvent(end);
  if (first == nullptr || last == nullptr) return BadEvent("cudaEventElapsedTime");
  if (!first->timed || !last->timed || first->recorded == 0 || last->recorded == 0) {
    return Refuse(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime: an event without a time");
  }
  if (first->done < first->recorded || last->done < last->recorded) return cudaErrorNotReady;
  const double ns = static_cast<double>(last->done_at_ns) - static_cast<double>(first->done_at_ns);
  *milliseconds = static_cast<float>(ns * 1e-6);
  return Return(cudaSuccess);
}
