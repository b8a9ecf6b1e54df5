// The part of NCCL that the project calls.

#include <fmt/format.h>
#include <nccl.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <utility>
#include <vector>

#include "device_memory.h"
#include "nccl_communicator.h"
#include "runtime_state.h"

using namespace lockstep::cuda_emulation;

struct ncclComm {
  std::shared_ptr<Communicator> communicator;
  int device = 0;
};

namespace {

constexpr std::time_t kJoinSeconds = 120;

thread_local std::string t_last_error;
std::uint64_t g_collective_calls = 0;  // of collectives, for the setting that blocks one

// A call that waits for the end of its group.
struct GroupedCall {
  cudaStream_t stream;
  TaskMaker maker;
};
thread_local int t_group_depth = 0;
thread_local std::vector<GroupedCall> t_grouped;

ncclResult_t RefuseNccl(ncclResult_t result, const std::string& why) {
  t_last_error = why;
  std::fprintf(stderr, "cuda emulation: refused: %s\n", why.c_str());
  return result;
}

ncclResult_t Submit(cudaStream_t stream, const char* name, const TaskMaker& maker) {
  if (t_group_depth > 0) {
    t_grouped.push_back({stream, maker});
    return ncclSuccess;
  }
  return Enqueue(stream, name, maker) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

// The calls of a group are one operation: they advance together.
TaskMaker Together(std::vector<TaskMaker> makers) {
  return [makers = std::move(makers)]() -> Task {
    auto tasks = std::make_shared<std::vector<Task>>();
    for (const TaskMaker& maker : makers) tasks->push_back(maker());
    return [tasks] {
      std::erase_if(*tasks, [](const Task& task) { return task(); });
      return tasks->empty();
    };
  };
}

// The bytes that a call reads and writes on its rank.
struct Extent {
  std::size_t read, written;
};
Extent ExtentOf(const CollectiveCall& call, const Communicator& comm) {
  const std::size_t bytes = call.count * ElementBytes(call.type);
  const auto ranks = static_cast<std::size_t>(comm.size());
  const bool is_root = call.root == comm.rank();
  switch (call.kind) {
    case CollectiveKind::kAllGather: return {bytes, bytes * ranks};
    case CollectiveKind::kReduceScatter: return {bytes * ranks, bytes};
    case CollectiveKind::kBroadcast: return {is_root ? bytes : 0, bytes};
    case CollectiveKind::kReduce: return {bytes, is_root ? bytes : 0};
    default: return {bytes, bytes};
  }
}

ncclResult_t CheckCall(const char* name, const CollectiveCall& call, const Communicator& comm,
                       Extent extent) {
  const auto refuse = [name](const std::string& why) {
    return RefuseNccl(ncclInvalidArgument, std::string(name) + ": " + why);
  };
  if (ElementBytes(call.type) == 0) return refuse("a type that is not emulated");
  if (call.root < 0 || call.root >= comm.size()) {
    return refuse(fmt::format("rank {} of {}", call.root, comm.size()));
  }
  if (extent.read > 0 && !WithinAllocation(call.send, extent.read)) {
    return refuse("the send buffer leaves its device allocation");
  }
  if (extent.written > 0 && !WithinAllocation(call.receive, extent.written)) {
    return refuse("the receive buffer leaves its device allocation");
  }
  return ncclSuccess;
}

bool IsCaptured(cudaStream_t handle) {
  const Stream* stream = FindStream(handle);
  return stream != nullptr && stream->capture != nullptr;
}

ncclResult_t SubmitCollective(const char* name, CollectiveCall call, ncclComm_t handle,
                              cudaStream_t stream) {
  const ApiScope scope;
  call.in_graph = IsCaptured(stream);
  if (handle == nullptr) return RefuseNccl(ncclInvalidArgument, "no communicator");
  const std::shared_ptr<Communicator> held = handle->communicator;  // an abort deletes the handle
  Communicator& comm = *held;
  if (comm.error() != ncclSuccess) return comm.error();
  if (++g_collective_calls == settings().nccl_block) {
    while (!comm.GivenUp()) PauseWithoutLock(100);
    return ncclInternalError;
  }
  if (const ncclResult_t bad = CheckCall(name, call, comm, ExtentOf(call, comm))) return bad;
  return Submit(stream, name, MakeCollective(held, call));
}

ncclResult_t WaitForEveryone(const Communicator& comm) {
  const std::time_t end = std::time(nullptr) + kJoinSeconds;
  while (!comm.EveryoneJoined()) {
    if (std::time(nullptr) > end) {
      return RefuseNccl(ncclSystemError, "ncclCommInitRank: not every rank has come");
    }
    PauseWithoutLock(100);
  }
  return ncclSuccess;
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error";
    case ncclSystemError: return "unhandled system error";
    case ncclInternalError: return "internal error";
    case ncclInvalidArgument: return "invalid argument";
    case ncclInvalidUsage: return "invalid usage";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "operation in progress";
    default: return "unknown result code";
  }
}

const char* ncclGetLastError(ncclComm_t handle) {
  return handle != nullptr && !handle->communicator->why().empty()
             ? handle->communicator->why().c_str()
             : t_last_error.c_str();
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) { return CreateSegment(id); }

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  const ApiScope scope;
  *handle = nullptr;
  if (size < 1 || size > kMaxRanks || rank < 0 || rank >= size) {
    return RefuseNccl(ncclInvalidArgument,
                      fmt::format("ncclCommInitRank: rank {} of {} (at most {} are emulated)", rank,
                                  size, kMaxRanks));
  }
  const std::shared_ptr<Segment> segment = OpenSegment(id);
  if (segment == nullptr) {
    return RefuseNccl(ncclSystemError, "ncclCommInitRank: nobody holds this id any more");
  }
  auto comm = std::make_shared<Communicator>(segment, rank, size);
  if (!comm->Join()) {
    return RefuseNccl(ncclInvalidUsage, fmt::format("ncclCommInitRank: rank {} came twice", rank));
  }
  const bool waits = config == nullptr || config->blocking != 0;
  if (waits) {
    if (const ncclResult_t late = WaitForEveryone(*comm)) return late;
  }
  *handle = new ncclComm{comm, CurrentDevice()};
  return waits || comm->EveryoneJoined() ? ncclSuccess : ncclInProgress;
}

ncclResult_t ncclCommInitRank(ncclComm_t* handle, int size, ncclUniqueId id, int rank) {
  return ncclCommInitRankConfig(handle, size, id, rank, nullptr);
}

ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  return handle != nullptr ? ncclSuccess : ncclInvalidArgument;
}

ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  const ApiScope scope;
  if (handle == nullptr) return ncclInvalidArgument;
  handle->communicator->Leave();
  delete handle;  // operations under way hold the communicator
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t handle) {
  const ApiScope scope;
  if (handle == nullptr) return ncclInvalidArgument;
  handle->communicator->Abort();
  return ncclCommDestroy(handle);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* result) {
  const ApiScope scope;
  if (handle == nullptr) return ncclInvalidArgument;
  const Communicator& comm = *handle->communicator;
  *result = comm.error();
  if (*result == ncclSuccess && !comm.EveryoneJoined()) *result = ncclInProgress;
  return ncclSuccess;
}

ncclResult_t ncclCommCount(const ncclComm_t handle, int* count) {
  *count = handle->communicator->size();
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t handle, int* rank) {
  *rank = handle->communicator->rank();
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t handle, int* device) {
  *device = handle->device;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++t_group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (t_group_depth == 0) return RefuseNccl(ncclInvalidUsage, "ncclGroupEnd without its start");
  if (--t_group_depth > 0) return ncclSuccess;
  const ApiScope scope;
  std::vector<GroupedCall> calls = std::exchange(t_grouped, {});
  while (!calls.empty()) {
    const cudaStream_t stream = calls.front().stream;
    std::vector<TaskMaker> makers;
    for (const GroupedCall& call : calls) {
      if (call.stream == stream) makers.push_back(call.maker);
    }
    std::erase_if(calls, [stream](const GroupedCall& call) { return call.stream == stream; });
    const ncclResult_t result = Submit(stream, "nccl group", Together(std::move(makers)));
    if (result != ncclSuccess) return result;
  }
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  return SubmitCollective("ncclAllReduce",
                          {CollectiveKind::kAllReduce, send, receive, count, type, operation, 0},
                          comm, stream);
}

ncclResult_t ncclAllGather(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  return SubmitCollective("ncclAllGather",
                          {CollectiveKind::kAllGather, send, receive, count, type, ncclSum, 0},
                          comm, stream);
}

ncclResult_t ncclReduceScatter(const void* send, void* receive, std::size_t count,
                               ncclDataType_t type, ncclRedOp_t operation, ncclComm_t comm,
                               cudaStream_t stream) {
  return SubmitCollective(
      "ncclReduceScatter",
      {CollectiveKind::kReduceScatter, send, receive, count, type, operation, 0}, comm, stream);
}

ncclResult_t ncclBroadcast(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  return SubmitCollective("ncclBroadcast",
                          {CollectiveKind::kBroadcast, send, receive, count, type, ncclSum, root},
                          comm, stream);
}

ncclResult_t ncclReduce(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                        ncclRedOp_t operation, int root, ncclComm_t comm, cudaStream_t stream) {
  return SubmitCollective("ncclReduce",
                          {CollectiveKind::kReduce, send, receive, count, type, operation, root},
                          comm, stream);
}

ncclResult_t ncclSend(const void* send, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t handle, cudaStream_t stream) {
  const ApiScope scope;
  if (handle == nullptr) return RefuseNccl(ncclInvalidArgument, "no communicator");
  const CollectiveCall call{CollectiveKind::kSend, send, nullptr, count, type, ncclSum, peer};
  const Extent extent{count * ElementBytes(type), 0};
  if (const ncclResult_t bad = CheckCall("ncclSend", call, *handle->communicator, extent))
    return bad;
  return Submit(stream, "ncclSend", MakeSend(handle->communicator, call));
}

ncclResult_t ncclRecv(void* receive, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t handle, cudaStream_t stream) {
  const ApiScope scope;
  if (handle == nullptr) return RefuseNccl(ncclInvalidArgument, "no communicator");
  const CollectiveCall call{CollectiveKind::kSend, nullptr, receive, count, type, ncclSum, peer};
  const Extent extent{0, count * ElementBytes(type)};
  if (const ncclResult_t bad = CheckCall("ncclRecv", call, *handle->communicator, extent))
    return bad;
  return Submit(stream, "ncclRecv", MakeReceive(handle->communicator, call));
}
