// Collectives as stream operations. In each step every rank shows a chunk of its data (and in the
// first one, what it calls) and takes what it needs of the others'.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "device_memory.h"
#include "nccl_communicator.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

std::uint64_t g_started = 0;  // collectives of this process, for the hang setting

// LOCKSTEP_NCCL_KILL=rank:n, so that a peer is gone in the middle of a sum.
bool DiesHere(int rank) {
  static const char* const text = std::getenv("LOCKSTEP_NCCL_KILL");
  int whose = -1;
  unsigned long long which = 0;
  return text != nullptr && std::sscanf(text, "%d:%llu", &whose, &which) == 2 && whose == rank &&
         which == g_started;
}

template <class T>
T Combine(T a, T b, ncclRedOp_t operation) {
  // Rounded at each rank, as a ring does; in the order of ranks.
  using Wide = std::conditional_t<std::is_arithmetic_v<T>, T, float>;
  const Wide x = static_cast<Wide>(a), y = static_cast<Wide>(b);
  switch (operation) {
    case ncclProd: return static_cast<T>(x * y);
    case ncclMax: return static_cast<T>(x < y ? y : x);
    case ncclMin: return static_cast<T>(y < x ? y : x);
    default: return static_cast<T>(x + y);
  }
}

class CollectiveTask {
 public:
  CollectiveTask(std::shared_ptr<Communicator> communicator, const CollectiveCall& call)
      : comm_(std::move(communicator)), call_(call), ticket_(comm_->IssueTicket()) {}

  bool Advance();

 private:
  bool Start();
  bool RunSteps();
  Signature MySignature() const;
  std::size_t TotalCount() const;
  std::size_t ChunkCount() const;
  void Post();
  bool SignaturesAgree();
  void Take();
  void TakeGathered(std::size_t count);
  void TakeReduced(std::size_t begin, std::size_t count, std::size_t target);
  template <class T>
  void Reduce(std::size_t begin, std::size_t count, T* out) const;
  void Write(std::size_t target, const char* data, std::size_t count);
  bool Finish();

  std::shared_ptr<Communicator> comm_;
  CollectiveCall call_;
  std::uint64_t ticket_;
  bool started_ = false, hangs_ = false, posted_ = false;
  std::size_t done_ = 0;  // elements
};

bool CollectiveTask::Advance() {
  if (comm_->GivenUp()) return Finish();
  if (comm_->error() != ncclSuccess) return false;  // as a real one: until the abort
  if (!comm_->IsTurnOf(ticket_)) return false;
  if (!started_ && !Start()) return Finish();
  return !hangs_ && RunSteps();
}

bool CollectiveTask::Start() {
  started_ = true;
  hangs_ = ++g_started == settings().nccl_hang;
  if (DiesHere(comm_->rank())) std::raise(SIGKILL);
  const std::size_t total = TotalCount() * ElementBytes(call_.type);
  if (WithinAllocation(call_.receive, 0) && (total == 0 || WithinAllocation(call_.send, 0)))
    return true;
  Fault(cudaErrorIllegalAddress,
        Describe(MySignature()) + ": a buffer was freed before the collective ran");
  return false;
}

bool CollectiveTask::RunSteps() {
  const DeviceAccess access;
  do {
    if (!posted_) Post();
    if (!comm_->AllArrived()) {
      comm_->CheckPeers(Describe(MySignature()));
      return false;
    }
    if (done_ == 0 && !SignaturesAgree()) return Finish();
    Take();
    done_ += ChunkCount();
    posted_ = false;
  } while (done_ < TotalCount());
  ++statistics().collectives;
  if (call_.kind == CollectiveKind::kAllReduce) ++statistics().all_reduces;
  return Finish();
}

bool CollectiveTask::Finish() {
  if (comm_->IsTurnOf(ticket_)) comm_->FinishTurn();
  return true;
}

Signature CollectiveTask::MySignature() const {
  return {call_.kind,  call_.type, call_.operation, call_.root,
          call_.count, ticket_,    call_.in_graph};
}

// Elements that pass by; a reduce-scatter has count of them for each rank.
std::size_t CollectiveTask::TotalCount() const {
  const auto ranks = static_cast<std::size_t>(comm_->size());
  return call_.kind == CollectiveKind::kReduceScatter ? call_.count * ranks : call_.count;
}

std::size_t CollectiveTask::ChunkCount() const {
  return std::min(TotalCount() - done_, kChunkBytes / ElementBytes(call_.type));
}

void CollectiveTask::Post() {
  const std::size_t half = comm_->NextHalf();
  RankArea& mine = comm_->Area(comm_->rank());
  mine.signatures[half] = MySignature();
  const bool shows_data = call_.kind != CollectiveKind::kBroadcast || call_.root == comm_->rank();
  const std::size_t element = ElementBytes(call_.type);
  if (shows_data && ChunkCount() > 0) {
    const char* source = static_cast<const char*>(call_.send) + done_ * element;
    {
      const tsan::WatchScope watch;
      tsan::Read(source, ChunkCount() * element);
    }
    std::memcpy(mine.data[half], source, ChunkCount() * element);
  }
  comm_->Arrive();
  posted_ = true;
}

bool CollectiveTask::SignaturesAgree() {
  const Signature mine = MySignature();
  for (int r = 0; r < comm_->size(); ++r) {
    const Signature theirs = comm_->Area(r).signatures[comm_->CurrentHalf()];
    if (theirs == mine) continue;
    comm_->Fail(ncclInvalidUsage,
                fmt::format("collectives do not match: rank {} calls {}, rank {} calls {}",
                            comm_->rank(), Describe(mine), r, Describe(theirs)));
    return false;
  }
  return true;
}

void CollectiveTask::Take() {
  const std::size_t count = ChunkCount();
  if (count == 0) return;
  const char* of_root = comm_->Area(call_.root).data[comm_->CurrentHalf()];
  const auto rank = static_cast<std::size_t>(comm_->rank());
  switch (call_.kind) {
    case CollectiveKind::kAllReduce: return TakeReduced(0, count, done_);
    case CollectiveKind::kReduce:
      if (call_.root == comm_->rank()) TakeReduced(0, count, done_);
      return;
    case CollectiveKind::kReduceScatter: {  // what of the chunk is in this rank's slice
      const std::size_t begin = std::max(done_, rank * call_.count);
      const std::size_t end = std::min(done_ + count, (rank + 1) * call_.count);
      if (begin < end) TakeReduced(begin - done_, end - begin, begin - rank * call_.count);
      return;
    }
    case CollectiveKind::kBroadcast: return Write(done_, of_root, count);
    default: return TakeGathered(count);
  }
}

void CollectiveTask::TakeGathered(std::size_t count) {
  for (int r = 0; r < comm_->size(); ++r) {
    const std::size_t target = static_cast<std::size_t>(r) * call_.count + done_;
    Write(target, comm_->Area(r).data[comm_->CurrentHalf()], count);
  }
}

template <class T>
void CollectiveTask::Reduce(std::size_t begin, std::size_t count, T* out) const {
  const std::size_t half = comm_->CurrentHalf();
  for (std::size_t i = 0; i < count; ++i) {
    const auto of = [&](int rank) {
      return reinterpret_cast<const T*>(comm_->Area(rank).data[half])[begin + i];
    };
    T value = of(0);
    for (int r = 1; r < comm_->size(); ++r) value = Combine(value, of(r), call_.operation);
    if (call_.operation == ncclAvg) {
      value = static_cast<T>(static_cast<double>(value) / comm_->size());
    }
    out[i] = value;
  }
}

void CollectiveTask::TakeReduced(std::size_t begin, std::size_t count, std::size_t target) {
  alignas(16) static char result[kChunkBytes];
  switch (call_.type) {
    case ncclFloat32: Reduce(begin, count, reinterpret_cast<float*>(result)); break;
    case ncclFloat64: Reduce(begin, count, reinterpret_cast<double*>(result)); break;
    case ncclFloat16: Reduce(begin, count, reinterpret_cast<__half*>(result)); break;
    case ncclBfloat16: Reduce(begin, count, reinterpret_cast<__nv_bfloat16*>(result)); break;
    case ncclInt32: Reduce(begin, count, reinterpret_cast<std::int32_t*>(result)); break;
    case ncclUint32: Reduce(begin, count, reinterpret_cast<std::uint32_t*>(result)); break;
    case ncclInt64: Reduce(begin, count, reinterpret_cast<std::int64_t*>(result)); break;
    default: Reduce(begin, count, reinterpret_cast<std::uint64_t*>(result)); break;
  }
  Write(target, result, count);
}

void CollectiveTask::Write(std::size_t target, const char* data, std::size_t count) {
  const std::size_t element = ElementBytes(call_.type);
  char* to = static_cast<char*>(call_.receive) + target * element;
  {
    const tsan::WatchScope watch;
    tsan::Write(to, count * element);
  }
  std::memcpy(to, data, count * element);
}

}  // namespace

TaskMaker MakeCollective(std::shared_ptr<Communicator> communicator, const CollectiveCall& call) {
  return [communicator = std::move(communicator), call]() -> Task {
    auto task = std::make_shared<CollectiveTask>(communicator, call);
    return [task] { return task->Advance(); };
  };
}

}  // namespace lockstep::cuda_emulation
