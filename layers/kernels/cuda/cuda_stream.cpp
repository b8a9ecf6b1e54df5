#include "layers/kernels/cuda/cuda_stream.h"

#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <thread>
#include <utility>

#include "layers/kernels/cuda/cuda_check.h"

namespace lockstep::cuda {
namespace {

std::atomic<std::uint64_t> g_freed = 0;

std::shared_ptr<void> DeviceMemory(std::size_t bytes) {
  void* memory = nullptr;
  CheckMemory(cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)), "cudaMalloc", bytes);
  return {memory, [](void* pointer) {
            ++g_freed;
            static_cast<void>(cudaFree(pointer));
          }};
}

}  // namespace

CudaStream::CudaStream(int device, Priority priority) : device_(device) {
  // Naps of microseconds are what they say: ordinarily Linux adds 50.
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1'000));
  Check(cudaSetDevice(device), "cudaSetDevice");
  int least = 0, greatest = 0;
  Check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  Check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking,
                                     priority == Priority::kHigh ? greatest : least),
        "cudaStreamCreateWithPriority");
}

CudaStream::~CudaStream() { static_cast<void>(cudaStreamDestroy(stream_)); }

double NapSeconds(double waited, double last_wait) {
  constexpr double kShortest = 5e-6, kLongest = 200e-6;
  // Waits are alike, but the first after a prompt: no more than half of the last one is trusted.
  if (waited < last_wait / 2) return std::clamp(last_wait / 2 - waited, kShortest, 100 * kLongest);
  return std::clamp(waited / 128, kShortest, kLongest);
}

template <typename Query>
void CudaStream::Poll(const Query& query, const char* call) {
  using Clock = std::chrono::steady_clock;
  constexpr double kLongestStep = 0.5;  // a longer one means that this process was stopped
  double waited = 0;
  auto last = Clock::now();
  for (;;) {
    const cudaError_t state = query();
    if (state == cudaSuccess) {
      last_wait_ = waited;
      // Work that ended early because a peer is gone looks done.
      if (watch_) watch_(0);
      return;
    }
    // A peer that is gone is the likelier cause, and the better message.
    if (watch_) watch_(waited);
    if (state != cudaErrorNotReady) Check(state, call);
    const double nap = NapSeconds(waited, last_wait_);
    std::this_thread::sleep_for(std::chrono::duration<double>(nap));
    const auto now = Clock::now();
    const double step = std::chrono::duration<double>(now - std::exchange(last, now)).count();
    waited += std::min(step, kLongestStep);
  }
}

void CudaStream::Wait() {
  Poll([this] { return cudaStreamQuery(stream_); }, "cudaStreamQuery");
}

void CudaStream::WaitFor(cudaEvent_t event) {
  Poll([event] { return cudaEventQuery(event); }, "cudaEventQuery");
}

Tensor DeviceTensor(DType dtype, Shape shape) {
  const std::size_t bytes = static_cast<std::size_t>(shape.elements()) * SizeOf(dtype);
  return {DeviceMemory(bytes), dtype, shape};
}

std::uint64_t FreedDeviceMemory() { return g_freed; }

void* Scratch::Get(std::size_t bytes, CudaStream& stream) {
  if (bytes > bytes_) {
    stream.Wait();  // the old memory may be in use
    memory_.reset();
    memory_ = DeviceMemory(bytes);
    bytes_ = bytes;
  }
  return memory_.get();
}

PinnedTurns::~PinnedTurns() {
  for (const Turn& turn : turns_) {
    if (turn.done != nullptr) static_cast<void>(cudaEventDestroy(turn.done));
    if (turn.memory != nullptr) static_cast<void>(cudaFreeHost(turn.memory));
  }
}

void* PinnedTurns::Take(std::size_t bytes) {
  current_ = 1 - current_;
  Turn& turn = turns_[current_];
  if (turn.done == nullptr)
    Check(cudaEventCreateWithFlags(&turn.done, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  if (turn.in_use) stream_.WaitFor(turn.done);
  turn.in_use = false;
  if (bytes > turn.bytes) {
    // Freeing waits for all that the device does, where nobody can end it.
    if (turn.memory != nullptr) stream_.Wait();
    if (turn.memory != nullptr) Check(cudaFreeHost(turn.memory), "cudaFreeHost");
    turn.memory = nullptr;
    turn.bytes = 0;
    CheckMemory(cudaMallocHost(&turn.memory, bytes), "cudaMallocHost", bytes);
    turn.bytes = bytes;
  }
  return turn.memory;
}

void PinnedTurns::Reserve(std::size_t bytes) {
  for (std::size_t turn = 0; turn < std::size(turns_); ++turn) Take(bytes);
}

void PinnedTurns::Enqueued() {
  Turn& turn = turns_[current_];
  Check(cudaEventRecord(turn.done, stream_.get()), "cudaEventRecord");
  turn.in_use = true;
}

void PinnedTurns::WaitForTurn() {
  Turn& turn = turns_[current_];
  if (turn.in_use) stream_.WaitFor(turn.done);
  turn.in_use = false;
}

}  // namespace lockstep::cuda
