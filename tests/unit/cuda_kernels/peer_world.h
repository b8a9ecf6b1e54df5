#pragma once

#include <memory>
#include <vector>

#include "kernel_fixture.h"

// The ranks of a sum over peers' memory, in one process: they take turns, phase by phase, so that
// none waits for a rank that is not running.

namespace lockstep::cuda {

inline constexpr std::int64_t kPeerStaging = 1200;

// One rank's memory, and its message.
struct PeerRank {
  explicit PeerRank(DType type)
      : flags(std::vector<std::uint64_t>(kPeerFlags, 0)),
        epochs(std::vector<std::uint32_t>(kPeerBlocks + 1, 0)),
        staging(kPeerStaging * SizeOf(type)),  // two buffers, in 16 bits
        reduced(kPeerStaging * SizeOf(type)) {}

  Device<std::uint64_t> flags;
  Device<std::uint32_t> epochs;
  Device<std::uint16_t> staging, reduced;
};

class PeerWorld {
 public:
  PeerWorld(int count, DType type, cudaStream_t stream) : type_(type), stream_(stream) {
    void* status = nullptr;
    CheckCuda(cudaMallocHost(&status, sizeof(PeerStatus)), "cudaMallocHost");
    status_ = new (status) PeerStatus;
    for (int rank = 0; rank < count; ++rank) ranks_.push_back(std::make_unique<PeerRank>(type));
  }

  ~PeerWorld() { (void)cudaFreeHost(status_); }
  PeerWorld(const PeerWorld&) = delete;
  PeerWorld& operator=(const PeerWorld&) = delete;

  PeerStatus& status() const { return *status_; }

  // Sums the messages in place.
  void Reduce(std::vector<Floats>& messages, PeerShots shots) {
    std::vector<std::unique_ptr<Device<std::uint16_t>>> x;
    for (const Floats& message : messages)
      x.push_back(std::make_unique<Device<std::uint16_t>>(Pack(type_, message)));
    for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum, PeerPhase::kCollect})
      for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
        PeerReduceArgs args = ArgsOf(static_cast<int>(rank));
        args.x = x[rank]->data();
        args.count = static_cast<std::int64_t>(messages[rank].size());
        PeerReduce(args, shots, phase, stream_);
      }
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank)
      messages[rank] = Unpack(type_, x[rank]->Values());
  }

  PeerReduceArgs ArgsOf(int rank) const {
    PeerReduceArgs args{.type = type_,
                        .staging_elements = kPeerStaging,
                        .rank = rank,
                        .rank_count = static_cast<int>(ranks_.size()),
                        .status = status_,
                        .spins = 1000};
    for (std::size_t peer = 0; peer < ranks_.size(); ++peer) {
      const PeerRank& one = *ranks_[peer];
      args.peers[peer] = {one.flags.data(),
                          static_cast<int>(peer) == rank ? one.epochs.data() : nullptr,
                          one.staging.data(), one.reduced.data()};
    }
    return args;
  }

 private:
  DType type_;
  cudaStream_t stream_;
  PeerStatus* status_ = nullptr;  // of whatever rank waits
  std::vector<std::unique_ptr<PeerRank>> ranks_;
};

}  // namespace lockstep::cuda
