// planted_bugs <name>: runs code with one mistake in it. Writes "right" or "wrong" for the values
// that came out, or "error <code> <name>" and the emulation's report. A sanitizer may end it
// sooner.

#include "planted_bugs.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "basic_kernels.h"
#include "lockstep_emulation/control.h"

namespace {

constexpr int kCount = 256;

// Ends the program when a call fails: the failure is what a test waits for.
void Check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::printf("error %d %s\n%s\n", error, cudaGetErrorName(error),
              lockstep::cuda_emulation::FaultReport().c_str());
  std::exit(0);
}

void Judge(bool right) { std::printf(right ? "right\n" : "wrong\n"); }

cudaStream_t NewStream() {
  cudaStream_t stream = nullptr;
  Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

float* OnDevice(int count, float value) {
  void* p = nullptr;
  Check(cudaMalloc(&p, static_cast<std::size_t>(count) * sizeof(float)));
  const std::vector<float> values(static_cast<std::size_t>(count), value);
  Check(cudaMemcpy(p, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
  return static_cast<float*>(p);
}

float* Pinned(int count, float value) {
  void* p = nullptr;
  Check(cudaMallocHost(&p, static_cast<std::size_t>(count) * sizeof(float)));
  for (int i = 0; i < count; ++i) static_cast<float*>(p)[i] = value;
  return static_cast<float*>(p);
}

float FirstOf(const float* device) {
  float value = 0;
  Check(cudaMemcpy(&value, device, sizeof value, cudaMemcpyDeviceToHost));
  return value;
}

void InKernel(Bug bug) {
  const cudaStream_t stream = NewStream();
  float* x = OnDevice(128, 1.0f);
  float* sums = OnDevice(2, 0.0f);
  Check(SumWithBug(bug, x, sums, stream));
  Check(cudaStreamSynchronize(stream));
  Judge(FirstOf(sums) == 128.0f && FirstOf(sums + 1) == 128.0f);
}

// A consumer on a second stream; nobody tells it to wait for the producer.
void MissingEvent() {
  const cudaStream_t producer = NewStream(), consumer = NewStream();
  float* x = OnDevice(kCount, 0.0f);
  float* y = OnDevice(kCount, 2.0f);
  Check(Fill(x, 1.0f, kCount, producer));
  Check(AddTo(x, y, kCount, consumer));
  Check(cudaStreamSynchronize(consumer));
  Judge(FirstOf(y) == 3.0f);
}

// The same with its event: nothing to find.
void WithEvent() {
  const cudaStream_t producer = NewStream(), consumer = NewStream();
  cudaEvent_t event = nullptr;
  Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  float* x = OnDevice(kCount, 0.0f);
  float* y = OnDevice(kCount, 2.0f);
  Check(Fill(x, 1.0f, kCount, producer));
  Check(cudaEventRecord(event, producer));
  Check(cudaStreamWaitEvent(consumer, event, 0));
  Check(AddTo(x, y, kCount, consumer));
  Check(cudaStreamSynchronize(consumer));
  Judge(FirstOf(y) == 3.0f);
}

// The host reads a pinned buffer while the copy into it may be under way.
void HostReadsTooEarly() {
  const cudaStream_t stream = NewStream();
  float* x = OnDevice(kCount, 5.0f);
  float* host = Pinned(kCount, 0.0f);
  Check(cudaMemcpyAsync(host, x, kCount * sizeof(float), cudaMemcpyDeviceToHost, stream));
  const float value = host[17];
  Judge(value == 5.0f);
}

// The host fills a staging buffer again before the copy out of it has run.
void StagingReused() {
  const cudaStream_t stream = NewStream();
  float* x = OnDevice(kCount, 0.0f);
  float* host = Pinned(kCount, 1.0f);
  Check(cudaMemcpyAsync(x, host, kCount * sizeof(float), cudaMemcpyHostToDevice, stream));
  for (int i = 0; i < kCount; ++i) host[i] = 2.0f;
  Check(cudaStreamSynchronize(stream));
  Judge(FirstOf(x) == 1.0f);
}

void HostReadsDevice() {
  const volatile float* x = OnDevice(kCount, 1.0f);
  Judge(x[3] == 1.0f);
}

void HostPointerToKernel() {
  float on_host[4] = {};
  Check(Fill(on_host, 1.0f, 4, NewStream()));
  Judge(true);
}

void FreedPointerToKernel() {
  float* x = OnDevice(kCount, 1.0f);
  Check(cudaFree(x));
  const cudaStream_t stream = NewStream();
  Check(Fill(x, 1.0f, kCount, stream));
  Judge(true);
}

void FreedPointerInStruct() {
  const cudaStream_t stream = NewStream();
  float* x = OnDevice(kCount, 1.0f);
  float* y = OnDevice(kCount, 0.0f);
  Check(cudaFree(x));
  Check(ReadThroughStruct({x, y}, stream));
  Check(cudaStreamSynchronize(stream));
  Judge(FirstOf(y) == 1.0f);
}

template <Wait kWait>
void Overlapping() {
  float* y = OnDevice(kCount, 0.0f);
  cudaStream_t stream = NewStream();
  Check(WriteOverlapping(kWait, y, stream));
  Check(cudaStreamSynchronize(stream));
  Judge(FirstOf(y) == 1.0f);
}

void PageableAsyncCopy() {
  std::vector<float> host(kCount, 1.0f);
  float* x = OnDevice(kCount, 0.0f);
  Check(
      cudaMemcpyAsync(x, host.data(), kCount * sizeof(float), cudaMemcpyHostToDevice, NewStream()));
  Judge(true);
}

void CopyBehindAllocation() {
  std::vector<float> host(kCount + 1);
  const float* x = OnDevice(kCount, 0.0f);
  Check(cudaMemcpy(host.data(), x, host.size() * sizeof(float), cudaMemcpyDeviceToHost));
  Judge(true);
}

void SynchroniseWhileCapturing() {
  const cudaStream_t stream = NewStream();
  float* x = OnDevice(kCount, 0.0f);
  Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  Check(Fill(x, 1.0f, kCount, stream));
  Check(cudaStreamSynchronize(stream));
  Judge(true);
}

void ForkNotJoined() {
  const cudaStream_t stream = NewStream(), fork = NewStream();
  float* x = OnDevice(kCount, 0.0f);
  cudaEvent_t event = nullptr;
  cudaGraph_t graph = nullptr;
  Check(cudaEventCreate(&event));
  Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  Check(cudaEventRecord(event, stream));
  Check(cudaStreamWaitEvent(fork, event, 0));
  Check(Fill(x, 1.0f, kCount, fork));
  Check(cudaStreamEndCapture(stream, &graph));
  Judge(true);
}

// Two branches of a graph write what the other reads.
void RaceInGraph() {
  const cudaStream_t stream = NewStream(), fork = NewStream();
  float* x = OnDevice(kCount, 1.0f);
  float* y = OnDevice(kCount, 1.0f);
  cudaEvent_t forked = nullptr, joined = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  Check(cudaEventCreate(&forked));
  Check(cudaEventCreate(&joined));
  Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  Check(cudaEventRecord(forked, stream));
  Check(cudaStreamWaitEvent(fork, forked, 0));
  Check(AddTo(x, y, kCount, stream));
  Check(Fill(x, 10.0f, kCount, fork));
  Check(cudaEventRecord(joined, fork));
  Check(cudaStreamWaitEvent(stream, joined, 0));
  Check(cudaStreamEndCapture(stream, &graph));
  Check(cudaGraphInstantiate(&exec, graph, 0));
  Check(cudaGraphLaunch(exec, stream));
  Check(cudaStreamSynchronize(stream));
  Judge(FirstOf(y) == 2.0f);
}

template <Bug kBug>
void Kernel() {
  InKernel(kBug);
}

const std::map<std::string, void (*)()> kPrograms = {
    {"none", &Kernel<Bug::kNone>},
    {"with_event", &WithEvent},
    {"missing_barrier_before_read", &Kernel<Bug::kMissingBarrierBeforeRead>},
    {"missing_barrier_before_write", &Kernel<Bug::kMissingBarrierBeforeWrite>},
    {"race_between_blocks", &Kernel<Bug::kRaceBetweenBlocks>},
    {"read_behind_global", &Kernel<Bug::kReadBehindGlobal>},
    {"write_behind_shared", &Kernel<Bug::kWriteBehindShared>},
    {"write_behind_dynamic_shared", &Kernel<Bug::kWriteBehindDynamicShared>},
    {"uninitialised_shared", &Kernel<Bug::kUninitialisedShared>},
    {"shuffle_without_half_the_warp", &Kernel<Bug::kShuffleWithoutHalfTheWarp>},
    {"shuffle_across_masks", &Kernel<Bug::kShuffleAcrossMasks>},
    {"divergent_barrier", &Kernel<Bug::kDivergentBarrier>},
    {"return_before_barrier", &Kernel<Bug::kReturnBeforeBarrier>},
    {"warp_and_block_deadlock", &Kernel<Bug::kWarpAndBlockDeadlock>},
    {"missing_event", &MissingEvent},
    {"host_reads_too_early", &HostReadsTooEarly},
    {"staging_reused", &StagingReused},
    {"host_reads_device", &HostReadsDevice},
    {"host_pointer_to_kernel", &HostPointerToKernel},
    {"freed_pointer_to_kernel", &FreedPointerToKernel},
    {"freed_pointer_in_struct", &FreedPointerInStruct},
    {"overlapping", &Overlapping<Wait::kForPrior>},
    {"overlapping_without_wait", &Overlapping<Wait::kForNothing>},
    {"pageable_async_copy", &PageableAsyncCopy},
    {"copy_behind_allocation", &CopyBehindAllocation},
    {"synchronise_while_capturing", &SynchroniseWhileCapturing},
    {"fork_not_joined", &ForkNotJoined},
    {"race_in_graph", &RaceInGraph},
};

}  // namespace

int main(int argc, char** argv) {
  const auto found = kPrograms.find(argc == 2 ? argv[1] : "");
  if (found == kPrograms.end()) return 2;
  found->second();
  return cudaDeviceSynchronize() == cudaSuccess ? 0 : 1;  // what nobody waited for runs now
}
