#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/control_plane.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/peers/peer_probe.h"

namespace lockstep::cuda {

// Values that a rank lets its peers read at a time: $LOCKSTEP_PEER_REDUCE.
//   not set, or auto   kPeerElements
//   off                0: no sums through peers' memory
//   a number           of bytes of fp32
inline constexpr std::int64_t kPeerElements = std::int64_t{512} << 10;
// Throws BadInput for anything else.
std::int64_t PeerElementsAsked();
// Whether it is the first of these: then slow links may lower it.
bool PeerElementsAreAuto();

// Why the ranks of a group do not add through each other's memory.
struct PeerRefusal {
  std::string why;
  bool unexpected = false;  // the GPUs say that they could
};

// The ranks of one host that read each other's device memory, for sums by PeerReduce(). Each has a
// device of its own, the current one of the calling thread, unless SharedDeviceAsked().
class PeerGroup {
 public:
  // Collective. Where it cannot be, on any rank, none has it and `refusal` says why, the same on
  // every rank. What CUDA opens is not trusted: it is written, read and added through before it is
  // used. elements: at most so many are added at a time; 0: not wanted. Throws CollectiveError.
  static std::unique_ptr<PeerGroup> Join(ControlPlane& world, std::int64_t elements,
                                         PeerRefusal& refusal);
  // Waits until no peer reads this rank's memory any more, for a few seconds; memory that may still
  // be read is not freed. The device must be done with this rank's sums, or have been told to
  // GiveUp().
  ~PeerGroup();
  PeerGroup(const PeerGroup&) = delete;
  PeerGroup& operator=(const PeerGroup&) = delete;

  std::int64_t elements() const { return elements_; }
  // Whether sums are to be timed: between some ranks there is less than NVLink, or it cannot be
  // seen what there is.
  bool has_slow_links() const { return has_slow_links_; }
  // Whether two of the ranks are on one device, which NCCL refuses.
  bool shares_device() const { return shares_device_; }

  // Enqueues x = sum over ranks of x. count: at most elements(). A kernel waits for a peer at least
  // this long, and at most a few times as long. A sum that is recorded keeps its deadline in every
  // replay: a run has one (comm.deadline_seconds), and the host, which may have another by then,
  // ends the wait with GiveUp().
  void Sum(float* x, std::int64_t count, double deadline_seconds, cudaStream_t stream);

  // The same, by so many exchanges whatever its size is.
  struct How {
    double deadline_seconds = 0;
    PeerShots shots = PeerShots::kOne;
  };
  void Sum(float* x, std::int64_t count, const How& how, cudaStream_t stream);
  // Enqueues the same of args.delta together with what PeerResidual() says, in one exchange. At
  // most kPeerResidualRows rows of elements() in all.
  void SumToResidual(const ResidualNormArgs& args, double deadline_seconds, cudaStream_t stream);
  // What a probe of the ranks' memory writes and reads; not while sums are made.
  PeerProbeArgs probe() const;

  // Ends the sums that wait on the device, and those behind them; their results are undefined.
  void GiveUp();

  // Why a sum has been given up on the device.
  struct Report {
    PeerFault fault = PeerFault::kNone;
    int peer = 0;
    std::int64_t count = 0;  // of the peer, with kOtherSize
  };
  Report report() const;

 private:
  PeerGroup(int rank, int rank_count, std::int64_t elements);

  void Allocate();
  void Open(int peer, const cudaIpcMemHandle_t& handle);
  PeerMemory MemoryAt(void* base) const;
  PeerReduceArgs ReduceArgs(double deadline_seconds) const;
  bool SayGoodbye();

  int rank_;
  int rank_count_;
  std::int64_t elements_;
  void* own_ = nullptr;  // device memory: header, then the messages
  std::array<void*, kMaxPeers> bases_ = {};
  PeerStatus* status_ = nullptr;  // pinned
  bool given_up_ = false;
  bool shares_device_ = false;
  bool has_slow_links_ = false;
};

// One shot while its longer transfers take less time than the second exchange of flags would.
PeerShots ShotsFor(int rank_count, std::int64_t elements);

}  // namespace lockstep::cuda
