#include "layers/kernels/cuda/peers/peer_proof.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <new>
#include <vector>

#include "comm/deadline_backoff.h"
#include "comm/groups/first_reason.h"
#include "comm/reducer.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/peers/peer_probe.h"

namespace lockstep::cuda {
namespace {

// Ranks have met just before: what takes so long does not come.
constexpr double kSumSeconds = 5;
constexpr double kStepSeconds = 10;
constexpr std::int64_t kSummed = 3000;

const char* const kBrokenLink =
    "an IOMMU or ACS between the GPUs does that; see nvidia-smi topo -p2p w";

float SummandOf(int rank, std::int64_t i) {
  const auto whole = static_cast<float>(1 + (i * 7 + rank * 13) % 101);
  return std::ldexp(whole, (rank * 5 + 3) % 9) / 3.0F;
}

class PeerProof {
 public:
  PeerProof(ControlPlane& world, PeerGroup& group) : world_(world), group_(group) {}
  ~PeerProof() {
    // What is still under way uses it: freeing would wait for it, where nobody can end that.
    if (unfinished_) return;
    if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
    if (findings_ != nullptr) static_cast<void>(cudaFreeHost(findings_));
    if (x_ != nullptr) static_cast<void>(cudaFree(x_));
  }
  PeerProof(const PeerProof&) = delete;
  PeerProof& operator=(const PeerProof&) = delete;

  std::string Run() {
    std::string why = Together([this] { return Prepare(); });
    for (const std::uint32_t round : {1U, 2U}) {
      if (why.empty()) why = Together([&] { return Write(round); });
      if (why.empty()) why = Together([&] { return Read(round); });
    }
    for (const PeerShots shots : {PeerShots::kOne, PeerShots::kTwo})
      if (why.empty()) why = Together([&] { return Sum(shots); });
    return why;
  }

 private:
  // Does a step and hears how it went everywhere: no rank begins the next one before all are here.
  template <typename Step>
  std::string Together(const Step& step) {
    std::string why;
    try {
      why = step();
    } catch (const Error& error) {
      why = error.what();
    }
    return FirstReason(world_, why.empty() ? "" : fmt::format("rank {}: {}", world_.rank(), why));
  }

  std::string Prepare() {
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    void* findings = nullptr;
    CheckMemory(cudaMallocHost(&findings, sizeof(PeerFindings)), "cudaMallocHost",
                sizeof(PeerFindings));
    findings_ = new (findings) PeerFindings;
    CheckMemory(cudaMalloc(&x_, kSummed * sizeof(float)), "cudaMalloc", kSummed * sizeof(float));
    return "";
  }

  PeerProbeArgs Probe(std::uint32_t round) const {
    PeerProbeArgs args = group_.probe();
    args.round = round;
    args.findings = findings_;
    return args;
  }

  // "", or that it did not end.
  std::string Await(const char* what) {
    DeadlineBackoff patience(kStepSeconds, DeadlineBackoff::Cores::kShared);
    for (;; patience.Pause()) {
      const cudaError_t state = cudaStreamQuery(stream_);
      if (state == cudaSuccess) return "";
      if (state != cudaErrorNotReady) Check(state, "cudaStreamQuery");
      if (!patience.expired()) continue;
      group_.GiveUp();
      unfinished_ = true;
      return fmt::format("{} did not end within {:g} s; {}", what, kStepSeconds, kBrokenLink);
    }
  }

  std::string Write(std::uint32_t round) {
    WritePeerProbe(Probe(round), stream_);
    return Await("writing into peers' memory");
  }

  std::string Read(std::uint32_t round) {
    ReadPeerProbe(Probe(round), stream_);
    if (std::string why = Await("reading peers' memory"); !why.empty()) return why;
    for (int peer = 0; peer < world_.size(); ++peer) {
      if (findings_->lost[peer] != 0)
        return fmt::format("what rank {} writes into its memory does not arrive; {}", peer,
                           kBrokenLink);
      if (findings_->stale[peer] != 0)
        return fmt::format("what it reads of rank {}'s memory is not what is there; {}", peer,
                           kBrokenLink);
    }
    return "";
  }

  std::string Sum(PeerShots shots) {
    const std::int64_t count = std::min(kSummed, group_.elements());
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      values[static_cast<std::size_t>(i)] = SummandOf(world_.rank(), i);
    const std::size_t bytes = values.size() * sizeof(float);
    Check(cudaMemcpy(x_, values.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
    group_.Sum(static_cast<float*>(x_), count, {kSumSeconds, shots}, stream_);
    if (std::string why = Await("a sum through peers' memory"); !why.empty()) return why;
    if (const PeerGroup::Report report = group_.report(); report.fault != PeerFault::kNone)
      return fmt::format("a sum through peers' memory waits for rank {} in vain; {}", report.peer,
                         kBrokenLink);
    Check(cudaMemcpy(values.data(), x_, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return IsRight(values) ? ""
                           : fmt::format("a sum through peers' memory is wrong; {}", kBrokenLink);
  }

  bool IsRight(const std::vector<float>& sums) const {
    std::vector<float> summands(static_cast<std::size_t>(world_.size()));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      for (int rank = 0; rank < world_.size(); ++rank)
        summands[static_cast<std::size_t>(rank)] = SummandOf(rank, static_cast<std::int64_t>(i));
      if (sums[i] != SumTree(summands)) return false;
    }
    return true;
  }

  ControlPlane& world_;
  PeerGroup& group_;
  cudaStream_t stream_ = nullptr;
  PeerFindings* findings_ = nullptr;  // pinned
  void* x_ = nullptr;                 // device memory
  bool unfinished_ = false;
};

}  // namespace

std::string WhyNotProven(ControlPlane& world, PeerGroup& group) {
  return PeerProof(world, group).Run();
}

}  // namespace lockstep::cuda
