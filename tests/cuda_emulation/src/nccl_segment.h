#pragma once
// The memory that the ranks of one communicator share.

#include <nccl.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace lockstep::cuda_emulation {

constexpr int kMaxRanks = 16;
constexpr std::size_t kChunkBytes = 128 * 1024;

enum class CollectiveKind : std::uint32_t {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kBroadcast,
  kReduce,
  kSend
};

// What a rank calls: ranks that meet in a collective must agree on all of it.
struct Signature {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  ncclDataType_t type = ncclFloat32;
  ncclRedOp_t operation = ncclSum;
  std::int32_t root = 0;
  std::uint64_t count = 0;
  std::uint64_t call = 0;  // the communicator's how manieth
  // Launched in a graph: NCCL takes that for a part of what is called, which all ranks share.
  bool in_graph = false;
  bool operator==(const Signature&) const = default;
};

// A rank writes its own area alone. Steps have their data in turn in two halves: a rank is at most
// one step ahead of another that still reads.
struct RankArea {
  std::atomic<std::int32_t> process;  // 0: has not joined
  std::atomic<std::uint32_t> left;    // destroyed or aborted its communicator
  std::atomic<std::uint64_t> step;    // the last one whose data are there
  Signature signatures[2];
  alignas(64) char data[2][kChunkBytes];
};

// From one rank to another: one chunk at a time.
struct Channel {
  std::atomic<std::uint64_t> written, read;  // chunks
  Signature signature;
  alignas(64) char data[kChunkBytes];
};

struct Segment {
  RankArea ranks[kMaxRanks];
  Channel channels[kMaxRanks][kMaxRanks];  // [from][to]
};

// Makes a new segment and the id by which processes of this machine find it.
ncclResult_t CreateSegment(ncclUniqueId* id);
// Null when the id names none, or its process is gone.
std::shared_ptr<Segment> OpenSegment(const ncclUniqueId& id);

// False for a process that has ended, even when its parent has not asked how.
bool ProcessIsAlive(pid_t process);

}  // namespace lockstep::cuda_emulation
