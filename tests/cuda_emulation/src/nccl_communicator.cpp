#include "nccl_communicator.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace lockstep::cuda_emulation {
namespace {

const char* KindName(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce: return "ncclAllReduce";
    case CollectiveKind::kAllGather: return "ncclAllGather";
    case CollectiveKind::kReduceScatter: return "ncclReduceScatter";
    case CollectiveKind::kBroadcast: return "ncclBroadcast";
    case CollectiveKind::kReduce: return "ncclReduce";
    case CollectiveKind::kSend: return "ncclSend/ncclRecv";
  }
  return "?";
}

const char* TypeName(ncclDataType_t type) {
  switch (type) {
    case ncclInt8: return "int8";
    case ncclUint8: return "uint8";
    case ncclInt32: return "int32";
    case ncclUint32: return "uint32";
    case ncclInt64: return "int64";
    case ncclUint64: return "uint64";
    case ncclFloat16: return "half";
    case ncclBfloat16: return "bfloat16";
    case ncclFloat32: return "float";
    case ncclFloat64: return "double";
    default: return "?";
  }
}

const char* OperationName(ncclRedOp_t operation) {
  switch (operation) {
    case ncclSum: return "sum";
    case ncclProd: return "product";
    case ncclMax: return "maximum";
    case ncclMin: return "minimum";
    case ncclAvg: return "average";
    default: return "?";
  }
}

}  // namespace

std::size_t ElementBytes(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8: return 1;
    case ncclFloat16:
    case ncclBfloat16: return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32: return 4;
    case ncclInt64:
    case ncclUint64:
    case ncclFloat64: return 8;
    default: return 0;
  }
}

std::string Describe(const Signature& s) {
  std::string text = fmt::format("{} of {} x {}", KindName(s.kind), s.count, TypeName(s.type));
  if (s.kind == CollectiveKind::kAllReduce || s.kind == CollectiveKind::kReduce ||
      s.kind == CollectiveKind::kReduceScatter) {
    text += fmt::format(", {}", OperationName(s.operation));
  }
  if (s.kind == CollectiveKind::kBroadcast || s.kind == CollectiveKind::kReduce) {
    text += fmt::format(", root {}", s.root);
  }
  return text + fmt::format(" (call {}{})", s.call, s.in_graph ? ", in a graph" : "");
}

bool Communicator::Join() {
  std::int32_t nobody = 0;
  return Area(rank_).process.compare_exchange_strong(nobody, getpid());
}

bool Communicator::EveryoneJoined() const {
  for (int r = 0; r < size_; ++r) {
    if (Area(r).process.load() == 0) return false;
  }
  return true;
}

bool Communicator::AllArrived() const {
  for (int r = 0; r < size_; ++r) {
    if (Area(r).step.load(std::memory_order_acquire) < step_) return false;
  }
  return true;
}

void Communicator::CheckPeers(const std::string& call) {
  for (int r = 0; r < size_; ++r) {
    const auto missing = [&] { return Area(r).step.load(std::memory_order_acquire) < step_; };
    if (missing()) CheckPeer(r, call, missing);
  }
}

void Communicator::CheckPeer(int rank, const std::string& call,
                             const std::function<bool()>& missing) {
  const pid_t process = Area(rank).process.load();
  if (process == 0) return;  // still on its way
  const bool left = Area(rank).left.load() != 0;
  if (!left && ProcessIsAlive(process)) return;
  if (!missing()) return;  // the last that it did was what this rank waits for
  Fail(ncclRemoteError,
       left ? fmt::format("{}: rank {} has left the communicator", call, rank)
            : fmt::format("{}: rank {} (process {}) has died", call, rank, process));
}

void Communicator::Fail(ncclResult_t error, const std::string& why) {
  if (error_ != ncclSuccess || aborted_) return;
  error_ = error;
  why_ = why;
  std::fprintf(stderr, "cuda emulation: nccl rank %d: %s\n", rank_, why.c_str());
}

}  // namespace lockstep::cuda_emulation
