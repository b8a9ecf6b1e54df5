// nccl_ranks <scenario> <ranks>: several processes that use the emulated NCCL. Ends with status 0
// when every process found what the scenario promises.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "basic_kernels.h"
#include "lockstep_emulation/control.h"
#include "ranks.h"

namespace {

using lockstep::cuda_emulation::settings;

// A rank with its communicator, a stream and a buffer of floats.
struct World {
  explicit World(const Rank& rank) : me(rank) {
    REQUIRE_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    REQUIRE_OK(ncclCommInitRank(&comm, me.size, me.meeting->id, me.rank));
  }
  float* Buffer(int count, float value) const {
    void* p = nullptr;
    REQUIRE_OK(cudaMalloc(&p, static_cast<std::size_t>(count) * sizeof(float)));
    REQUIRE_OK(Fill(static_cast<float*>(p), value, count, stream));
    return static_cast<float*>(p);
  }
  std::vector<float> ToHost(const float* p, int count) const {
    std::vector<float> values(static_cast<std::size_t>(count));
    REQUIRE_OK(cudaStreamSynchronize(stream));
    REQUIRE_OK(cudaMemcpy(values.data(), p, values.size() * sizeof(float), cudaMemcpyDeviceToHost));
    return values;
  }
  void RequireAll(const float* p, int count, float expected) const {
    for (const float value : ToHost(p, count)) REQUIRE(value == expected);
  }
  float SumOfRanks() const { return static_cast<float>(me.size * (me.size + 1) / 2); }
  float MyValue() const { return static_cast<float>(me.rank + 1); }
  ncclResult_t AsyncError() const {
    ncclResult_t error = ncclSuccess;
    REQUIRE_OK(ncclCommGetAsyncError(comm, &error));
    return error;
  }

  Rank me;
  cudaStream_t stream = nullptr;
  ncclComm_t comm = nullptr;
};

void AllReduce(const Rank& me) {
  const World world(me);
  for (const int count : {1, 1000, 100000}) {  // the last is more than one chunk
    float* x = world.Buffer(count, world.MyValue());
    REQUIRE_OK(ncclAllReduce(x, x, static_cast<std::size_t>(count), ncclFloat32, ncclSum,
                             world.comm, world.stream));
    world.RequireAll(x, count, world.SumOfRanks());
  }
  REQUIRE_OK(ncclCommDestroy(world.comm));
}

template <class T>
void AllReduceNarrow(const World& world, ncclDataType_t type) {
  const std::vector<T> values(300, T(world.MyValue() * 0.25f));
  void* x = nullptr;
  REQUIRE_OK(cudaMalloc(&x, values.size() * sizeof(T)));
  REQUIRE_OK(cudaMemcpy(x, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  REQUIRE_OK(ncclAllReduce(x, x, values.size(), type, ncclSum, world.comm, world.stream));
  REQUIRE_OK(cudaStreamSynchronize(world.stream));
  std::vector<T> sums(values.size());
  REQUIRE_OK(cudaMemcpy(sums.data(), x, sums.size() * sizeof(T), cudaMemcpyDeviceToHost));
  for (const T sum : sums) REQUIRE(static_cast<float>(sum) == world.SumOfRanks() * 0.25f);
}

void NarrowTypes(const Rank& me) {
  const World world(me);
  AllReduceNarrow<__nv_bfloat16>(world, ncclBfloat16);
  AllReduceNarrow<__half>(world, ncclFloat16);
}

void OtherCollectives(const Rank& me) {
  const World world(me);
  const int n = 50000;
  const auto count = static_cast<std::size_t>(n);
  float* mine = world.Buffer(n, world.MyValue());
  float* all = world.Buffer(n * me.size, -1.0f);
  REQUIRE_OK(ncclAllGather(mine, all, count, ncclFloat32, world.comm, world.stream));
  for (int r = 0; r < me.size; ++r) world.RequireAll(all + r * n, n, static_cast<float>(r + 1));
  float* part = world.Buffer(n, -1.0f);
  REQUIRE_OK(ncclReduceScatter(all, part, count, ncclFloat32, ncclMax, world.comm, world.stream));
  world.RequireAll(part, n, world.MyValue());
  float* sum = world.Buffer(n, -1.0f);
  REQUIRE_OK(ncclReduce(mine, sum, count, ncclFloat32, ncclSum, 1, world.comm, world.stream));
  world.RequireAll(sum, n, me.rank == 1 ? world.SumOfRanks() : -1.0f);
  REQUIRE_OK(ncclBroadcast(mine, mine, count, ncclFloat32, me.size - 1, world.comm, world.stream));
  world.RequireAll(mine, n, static_cast<float>(me.size));
}

// Each rank sends to the next: without the group they would all wait.
void Ring(const Rank& me) {
  const World world(me);
  const int n = 100000;
  float* mine = world.Buffer(n, world.MyValue());
  float* theirs = world.Buffer(n, -1.0f);
  const int next = (me.rank + 1) % me.size, before = (me.rank + me.size - 1) % me.size;
  REQUIRE_OK(ncclGroupStart());
  REQUIRE_OK(ncclSend(mine, n, ncclFloat32, next, world.comm, world.stream));
  REQUIRE_OK(ncclRecv(theirs, n, ncclFloat32, before, world.comm, world.stream));
  REQUIRE_OK(ncclGroupEnd());
  world.RequireAll(theirs, n, static_cast<float>(before + 1));
}

void Graph(const Rank& me) {
  const World world(me);
  float* x = world.Buffer(100, world.MyValue());
  float* y = world.Buffer(100, 0.0f);
  REQUIRE_OK(cudaStreamSynchronize(world.stream));
  REQUIRE_OK(cudaStreamBeginCapture(world.stream, cudaStreamCaptureModeThreadLocal));
  REQUIRE_OK(ncclAllReduce(x, x, 100, ncclFloat32, ncclMax, world.comm, world.stream));
  REQUIRE_OK(AddTo(x, y, 100, world.stream));
  REQUIRE_OK(ncclAllReduce(y, y, 100, ncclFloat32, ncclMin, world.comm, world.stream));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  REQUIRE_OK(cudaStreamEndCapture(world.stream, &graph));
  REQUIRE_OK(cudaGraphInstantiate(&exec, graph, 0));
  for (int replay = 0; replay < 3; ++replay) REQUIRE_OK(cudaGraphLaunch(exec, world.stream));
  world.RequireAll(y, 100, 3.0f * static_cast<float>(me.size));
}

// Polls as a careful host does; true when the stream ended before the deadline or an error.
bool PollStream(const World& world, int milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (std::chrono::steady_clock::now() < end) {
    if (cudaStreamQuery(world.stream) == cudaSuccess) return true;
    if (world.AsyncError() != ncclSuccess) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void MismatchedCount(const Rank& me) {
  const World world(me);
  float* x = world.Buffer(100, 1.0f);
  const std::size_t count = me.rank == 1 ? 99 : 100;
  REQUIRE_OK(ncclAllReduce(x, x, count, ncclFloat32, ncclSum, world.comm, world.stream));
  REQUIRE_OK(cudaStreamSynchronize(world.stream));
  REQUIRE(world.AsyncError() == ncclInvalidUsage);
  std::printf("%s\n", ncclGetLastError(world.comm));
  REQUIRE(ncclAllReduce(x, x, 1, ncclFloat32, ncclSum, world.comm, world.stream) != ncclSuccess);
}

void MismatchedKind(const Rank& me) {
  const World world(me);
  float* x = world.Buffer(100, 1.0f);
  if (me.rank == 1) {
    REQUIRE_OK(ncclBroadcast(x, x, 100, ncclFloat32, 0, world.comm, world.stream));
  } else {
    REQUIRE_OK(ncclAllReduce(x, x, 100, ncclFloat32, ncclSum, world.comm, world.stream));
  }
  REQUIRE_OK(cudaStreamSynchronize(world.stream));
  REQUIRE(world.AsyncError() == ncclInvalidUsage);
  std::printf("%s\n", ncclGetLastError(world.comm));
}

// Rank 0 launches the sum in a graph.
void MismatchedCapture(const Rank& me) {
  const World world(me);
  float* x = world.Buffer(100, 1.0f);
  const auto sum = [&] {
    return ncclAllReduce(x, x, 100, ncclFloat32, ncclSum, world.comm, world.stream);
  };
  if (me.rank == 0) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    REQUIRE_OK(cudaStreamSynchronize(world.stream));
    REQUIRE_OK(cudaStreamBeginCapture(world.stream, cudaStreamCaptureModeThreadLocal));
    REQUIRE_OK(sum());
    REQUIRE_OK(cudaStreamEndCapture(world.stream, &graph));
    REQUIRE_OK(cudaGraphInstantiate(&exec, graph, 0));
    REQUIRE_OK(cudaGraphLaunch(exec, world.stream));
  } else {
    REQUIRE_OK(sum());
  }
  REQUIRE_OK(cudaStreamSynchronize(world.stream));
  REQUIRE(world.AsyncError() == ncclInvalidUsage);
  std::printf("%s\n", ncclGetLastError(world.comm));
}

void DeadRank(const Rank& me) {
  const World world(me);
  if (me.rank == 1) std::_Exit(0);
  float* x = world.Buffer(100, 1.0f);
  REQUIRE_OK(ncclAllReduce(x, x, 100, ncclFloat32, ncclSum, world.comm, world.stream));
  REQUIRE(!PollStream(world, 60000));
  REQUIRE(world.AsyncError() == ncclRemoteError);
  std::printf("%s\n", ncclGetLastError(world.comm));
  REQUIRE_OK(ncclCommAbort(world.comm));
  REQUIRE_OK(cudaStreamSynchronize(world.stream));
}

// The second collective hangs everywhere, without any error, until the abort.
void Hang(const Rank& me) {
  settings().nccl_hang = 2;
  const World world(me);
  float* x = world.Buffer(100, world.MyValue());
  REQUIRE_OK(ncclAllReduce(x, x, 100, ncclFloat32, ncclMax, world.comm, world.stream));
  world.RequireAll(x, 100, static_cast<float>(me.size));
  REQUIRE_OK(ncclAllReduce(x, x, 100, ncclFloat32, ncclSum, world.comm, world.stream));
  REQUIRE(!PollStream(world, 300));
  REQUIRE(world.AsyncError() == ncclSuccess);
  std::thread watchdog([&world] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    REQUIRE_OK(ncclCommAbort(world.comm));
  });
  REQUIRE_OK(cudaStreamSynchronize(world.stream));  // returns thanks to the other thread
  watchdog.join();
}

// An exchange of two processes' own, through device memory of each that the other has opened.
void PeerToPeer(const Rank& me) {
  const World world(me);
  void* mine = nullptr;
  void* theirs = nullptr;
  REQUIRE_OK(cudaMalloc(&mine, sizeof(PeerSlot)));
  REQUIRE_OK(cudaMemset(mine, 0, sizeof(PeerSlot)));
  REQUIRE_OK(cudaIpcGetMemHandle(&me.meeting->handles[me.rank], mine));
  MeetOthers(me);
  const int peer = 1 - me.rank;
  REQUIRE_OK(
      cudaIpcOpenMemHandle(&theirs, me.meeting->handles[peer], cudaIpcMemLazyEnablePeerAccess));
  float* sum = world.Buffer(1, world.MyValue());
  REQUIRE_OK(ShowToPeer(static_cast<PeerSlot*>(mine), world.MyValue(), 7, world.stream));
  REQUIRE_OK(AddFromPeer(static_cast<PeerSlot*>(theirs), 7, sum, world.stream));
  world.RequireAll(sum, 1, world.SumOfRanks());
  REQUIRE_OK(cudaIpcCloseMemHandle(theirs));
  MeetOthers(me);
}

// Hosts that only wait for each other: queued work must move all the same.
void IdleHosts(const Rank& me) {
  const World world(me);
  float* x = world.Buffer(10, world.MyValue());
  REQUIRE_OK(ncclAllReduce(x, x, 10, ncclFloat32, ncclSum, world.comm, world.stream));
  if (me.rank == 0) REQUIRE_OK(cudaStreamSynchronize(world.stream));
  MeetOthers(me);  // the others have made no call since
  world.RequireAll(x, 10, world.SumOfRanks());
}

const std::map<std::string, void (*)(const Rank&)> kScenarios = {
    {"all_reduce", &AllReduce},
    {"narrow_types", &NarrowTypes},
    {"other_collectives", &OtherCollectives},
    {"ring", &Ring},
    {"graph", &Graph},
    {"mismatched_count", &MismatchedCount},
    {"mismatched_kind", &MismatchedKind},
    {"mismatched_capture", &MismatchedCapture},
    {"dead_rank", &DeadRank},
    {"hang", &Hang},
    {"idle_hosts", &IdleHosts},
    {"peer_to_peer", &PeerToPeer},
};

}  // namespace

int main(int argc, char** argv) {
  REQUIRE(argc == 3 && kScenarios.count(argv[1]) == 1);
  return RunRanks(std::atoi(argv[2]), kScenarios.at(argv[1]));
}
