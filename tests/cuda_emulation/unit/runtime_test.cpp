#include <gmock/gmock.h>

#include <atomic>

#include "basic_kernels.h"
#include "fixture.h"
#include "lockstep_emulation/control.h"

namespace lockstep::cuda_emulation {
namespace {

using ::testing::Each;

class Runtime : public EmulationTest {
 protected:
  TestStream stream_;
};

TEST_F(Runtime, RefusesLaunchesThatADeviceCannotDo) {
  const DeviceBuffer<float> x(1);
  EXPECT_EQ(Fill(x.get(), 1.0f, 0, stream_), cudaErrorInvalidConfiguration);  // an empty grid
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_CUDA(Fill(x.get(), 1.0f, 1, stream_));
}

TEST_F(Runtime, HasAsMuchMemoryAsTheSettingsSay) {
  settings().memory_bytes = 1 << 20;
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 2 << 20), cudaErrorMemoryAllocation);
  EXPECT_EQ(p, nullptr);
  EXPECT_CUDA(cudaMalloc(&p, 1 << 19));
  std::size_t free_bytes = 0, total_bytes = 0;
  EXPECT_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
  EXPECT_EQ(total_bytes, 1u << 20);
  EXPECT_LT(free_bytes, 1u << 19);
  EXPECT_CUDA(cudaFree(p));
  EXPECT_EQ(cudaFree(p), cudaErrorInvalidValue);
}

TEST_F(Runtime, NewMemoryIsNaN) {
  const DeviceBuffer<float> x(100);
  EXPECT_THAT(x.ToHost(), Each(::testing::IsNan()));
}

TEST_F(Runtime, CanHaveNoDevice) {
  settings().device_count = 0;
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, -1);
  settings().device_count = 2;
  EXPECT_CUDA(cudaGetDeviceCount(&count));
  EXPECT_EQ(count, 2);
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
}

TEST_F(Runtime, LazyStreamsAreNotReadyBeforeTheyArePolled) {
  settings().stream_policy = StreamPolicy::kLazy;
  settings().idle_ms = 60000;
  const DeviceBuffer<float> x(10);
  cudaEvent_t event = nullptr;
  ASSERT_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  EXPECT_CUDA(Fill(x.get(), 1.0f, 10, stream_));
  EXPECT_CUDA(Fill(x.get(), 2.0f, 10, stream_));
  EXPECT_CUDA(cudaEventRecord(event, stream_));
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);  // each look lets one operation run
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  EXPECT_CUDA(cudaEventQuery(event));
  EXPECT_THAT(x.ToHost(), Each(2.0f));
  EXPECT_CUDA(cudaEventDestroy(event));
}

TEST_F(Runtime, CopiesOfRowsLeaveTheGapsAlone) {
  const std::vector<float> rows{1, 2, 3, 4};
  const DeviceBuffer<float> x(std::vector<float>(6, 0.0f));
  ASSERT_CUDA(cudaMemcpy2D(x.get(), 3 * sizeof(float), rows.data(), 2 * sizeof(float),
                           2 * sizeof(float), 2, cudaMemcpyHostToDevice));
  EXPECT_THAT(x.ToHost(), ::testing::ElementsAre(1, 2, 0, 3, 4, 0));
}

TEST_F(Runtime, HostFunctionsRunInTheOrderOfTheStream) {
  settings().stream_policy = StreamPolicy::kLazy;
  PinnedBuffer<float> host(1);
  host[0] = 0;
  const DeviceBuffer<float> x(1);
  EXPECT_CUDA(Fill(x.get(), 4.0f, 1, stream_));
  EXPECT_CUDA(cudaMemcpyAsync(host.get(), x.get(), sizeof(float), cudaMemcpyDeviceToHost, stream_));
  EXPECT_CUDA(cudaLaunchHostFunc(
      stream_, [](void* value) { *static_cast<float*>(value) += 1.0f; }, host.get()));
  EXPECT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(host[0], 5.0f);
}

// Whatever is freed, and wherever the work is: nobody can end that wait, so no step may free.
TEST_F(Runtime, FreeingMemoryWaitsForAllThatTheDeviceDoes) {
  settings().stream_policy = StreamPolicy::kLazy;
  settings().idle_ms = 60000;
  void* device = nullptr;
  void* pinned = nullptr;
  ASSERT_CUDA(cudaMalloc(&device, 64));
  ASSERT_CUDA(cudaMallocHost(&pinned, 64));
  std::atomic<int> done = 0;  // looked at while work is under way
  const auto work = [&] {
    done = 0;
    EXPECT_CUDA(cudaLaunchHostFunc(
        stream_, [](void* value) { *static_cast<std::atomic<int>*>(value) = 1; }, &done));
    EXPECT_EQ(done, 0) << "or it was not left to be waited for";
  };
  work();
  EXPECT_CUDA(cudaFree(device));
  EXPECT_EQ(done, 1);
  work();
  EXPECT_CUDA(cudaFreeHost(pinned));
  EXPECT_EQ(done, 1);
  const TestStream other;
  ASSERT_CUDA(cudaMalloc(&device, 64));
  work();
  EXPECT_CUDA(cudaFreeAsync(device, other));
  EXPECT_EQ(done, 0) << "this one is ordered on its stream";
  EXPECT_CUDA(cudaDeviceSynchronize());
}

class Graphs : public Runtime, public ::testing::WithParamInterface<StreamPolicy> {
 protected:
  Graphs() { settings().stream_policy = GetParam(); }

  // y += x on this stream, z += x on a second one, joined.
  cudaGraph_t CaptureFork(const float* x, float* y, float* z) {
    cudaGraph_t graph = nullptr;
    EXPECT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
    EXPECT_CUDA(cudaEventRecord(forked_, stream_));
    EXPECT_CUDA(cudaStreamWaitEvent(second_, forked_, 0));
    EXPECT_CUDA(AddTo(x, y, 100, stream_));
    EXPECT_CUDA(AddTo(x, z, 100, second_));
    EXPECT_CUDA(cudaEventRecord(joined_, second_));
    EXPECT_CUDA(cudaStreamWaitEvent(stream_, joined_, 0));
    EXPECT_CUDA(AddTo(z, y, 100, stream_));
    EXPECT_CUDA(cudaStreamEndCapture(stream_, &graph));
    return graph;
  }
  void SetUp() override {
    ASSERT_CUDA(cudaEventCreate(&forked_));
    ASSERT_CUDA(cudaEventCreate(&joined_));
  }
  void TearDown() override {
    EXPECT_CUDA(cudaEventDestroy(forked_));
    EXPECT_CUDA(cudaEventDestroy(joined_));
  }

  TestStream second_;
  cudaEvent_t forked_ = nullptr, joined_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Policies, Graphs,
                         ::testing::Values(StreamPolicy::kEager, StreamPolicy::kLazy,
                                           StreamPolicy::kRandom));

TEST_P(Graphs, ReplayWhatWasCaptured) {
  const std::vector<float> ones(100, 1.0f), zeros(100, 0.0f);
  const DeviceBuffer<float> x(ones), y(zeros), z(zeros);
  const cudaGraph_t graph = CaptureFork(x.get(), y.get(), z.get());
  EXPECT_THAT(y.ToHost(), Each(0.0f)) << "capture runs nothing";
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  for (int replay = 0; replay < 2; ++replay) EXPECT_CUDA(cudaGraphLaunch(exec, stream_));
  EXPECT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_THAT(z.ToHost(), Each(2.0f));
  EXPECT_THAT(y.ToHost(), Each(5.0f));  // 1 + 1, then 1 + 2
  EXPECT_CUDA(cudaGraphExecDestroy(exec));
  EXPECT_CUDA(cudaGraphDestroy(graph));
}

TEST_P(Graphs, TakeNewArgumentsByAnUpdate) {
  const std::vector<float> ones(100, 1.0f), zeros(100, 0.0f);
  const DeviceBuffer<float> x(ones), y(zeros), z(zeros), other(zeros);
  const cudaGraph_t graph = CaptureFork(x.get(), y.get(), z.get());
  const cudaGraph_t changed = CaptureFork(x.get(), other.get(), z.get());
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  cudaGraphExecUpdateResultInfo info{};
  EXPECT_CUDA(cudaGraphExecUpdate(exec, changed, &info));
  EXPECT_CUDA(cudaGraphLaunch(exec, stream_));
  EXPECT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_THAT(y.ToHost(), Each(0.0f));
  EXPECT_THAT(other.ToHost(), Each(2.0f));
  EXPECT_CUDA(cudaGraphExecDestroy(exec));
  EXPECT_CUDA(cudaGraphDestroy(graph));
  EXPECT_CUDA(cudaGraphDestroy(changed));
}

}  // namespace
}  // namespace lockstep::cuda_emulation
