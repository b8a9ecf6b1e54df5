#include "layers/kernels/cuda/peers/peer_group.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string_view>

#include "comm/deadline_backoff.h"
#include "comm/groups/first_reason.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/kernels/peer_pace.h"
#include "layers/kernels/cuda/peers/device_id.h"
#include "layers/kernels/cuda/peers/peer_proof.h"
#include "layers/kernels/cuda/peers/peer_residual.h"
#include "layers/kernels/shared_device.h"

namespace lockstep::cuda {
namespace {

constexpr const char* kVariable = "LOCKSTEP_PEER_REDUCE";
constexpr double kGoodbyeSeconds = 5;
constexpr std::int64_t kElementsUnit = 64;  // so that both buffers begin on 16 bytes

// Where a rank's memory has what: bytes from its begin. Messages begin on a page.
constexpr std::size_t kEpochsAt = kPeerFlags * sizeof(std::uint64_t);
constexpr std::size_t kGoodbyesAt = kEpochsAt + 256;
constexpr std::size_t kProbeAt = kGoodbyesAt + 256;
constexpr std::size_t kMessagesAt = 8192;
static_assert(kProbeAt + kMaxPeers * sizeof(std::uint64_t) <= kMessagesAt);
constexpr std::int64_t kBuffers = 4;  // two of messages and two of sums, of `elements` each

struct Note {
  std::int64_t elements = 0;
  char bus_id[32] = {};
  char device_id[96] = {};
  cudaIpcMemHandle_t handle = {};
};

template <typename T>
std::vector<T> Exchange(ControlPlane& world, const T& mine) {
  std::vector<T> all(static_cast<std::size_t>(world.size()));
  const auto messages = world.AllGather(std::as_bytes(std::span(&mine, 1)));
  for (std::size_t i = 0; i < all.size(); ++i)
    std::memcpy(&all[i], messages[i].data(), std::min(messages[i].size(), sizeof(T)));
  return all;
}

bool IsSameDevice(const Note& a, const Note& b) {
  return std::string_view(a.device_id) == b.device_id;
}

// Of any two ranks, so that all say the same.
bool ShareDevice(const std::vector<Note>& notes) {
  for (std::size_t i = 0; i < notes.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (IsSameDevice(notes[i], notes[j])) return true;
  return false;
}

std::string WhyNotReach(int device, const Note& mine, const Note& theirs, int peer) {
  int other = 0, can = 0;
  if (IsSameDevice(mine, theirs))
    return SharedDeviceAsked() ? "" : fmt::format("rank {} is on the same GPU", peer);
  // One that this process does not see (--gpus-per-task=1, CUDA_VISIBLE_DEVICES) may be reached all
  // the same: its handle is tried.
  if (cudaDeviceGetByPCIBusId(&other, theirs.bus_id) != cudaSuccess) {
    cudaGetLastError();
    return "";
  }
  Check(cudaDeviceCanAccessPeer(&can, device, other), "cudaDeviceCanAccessPeer");
  return can != 0 ? "" : fmt::format("no access to rank {}'s GPU {}", peer, theirs.bus_id);
}

// NVLink has atomic operations, PCIe has none.
bool IsNvlink(int device, const Note& peer) {
  int other = 0, atomics = 0;
  const bool known = cudaDeviceGetByPCIBusId(&other, peer.bus_id) == cudaSuccess &&
                     cudaDeviceGetP2PAttribute(&atomics, cudaDevP2PAttrNativeAtomicSupported,
                                               device, other) == cudaSuccess;
  if (!known) cudaGetLastError();
  return known && atomics != 0;
}

bool HasSlowLinks(const std::vector<Note>& notes) {
  int device = 0;
  char own[sizeof(Note::bus_id)] = {};
  Check(cudaGetDevice(&device), "cudaGetDevice");
  Check(cudaDeviceGetPCIBusId(own, sizeof(own), device), "cudaDeviceGetPCIBusId");
  return std::ranges::any_of(notes, [&](const Note& note) {
    return std::string_view(note.bus_id) != own && !IsNvlink(device, note);
  });
}

std::string WhyNot(ControlPlane& world, const std::vector<Note>& notes) {
  const int rank = world.rank();
  const Note& mine = notes[static_cast<std::size_t>(rank)];
  int device = 0;
  Check(cudaGetDevice(&device), "cudaGetDevice");
  for (int peer = 0; peer < world.size(); ++peer) {
    const Note& theirs = notes[static_cast<std::size_t>(peer)];
    if (theirs.elements != mine.elements)
      return fmt::format("{} differs between the ranks", kVariable);
    if (!world.hosts().SameHost(peer, rank)) return "ranks on several hosts";
    if (peer == rank) continue;
    if (std::string why = WhyNotReach(device, mine, theirs, peer); !why.empty())
      return fmt::format("rank {}: {}", rank, why);
  }
  return "";
}

}  // namespace

bool PeerElementsAreAuto() {
  const char* variable = std::getenv(kVariable);
  const std::string_view asked = variable != nullptr ? variable : "";
  return asked.empty() || asked == "auto";
}

std::int64_t PeerElementsAsked() {
  if (PeerElementsAreAuto()) return kPeerElements;
  const std::string_view asked = std::getenv(kVariable);
  if (asked == "off") return 0;
  std::int64_t bytes = 0;
  const auto end = asked.data() + asked.size();
  const auto read = std::from_chars(asked.data(), end, bytes);
  if (read.ec != std::errc() || read.ptr != end || bytes < 0 || bytes > (std::int64_t{1} << 30))
    throw BadInput("{}={}: expected auto, off, or a number of bytes up to 1073741824", kVariable,
                   asked);
  const std::int64_t elements = bytes / static_cast<std::int64_t>(sizeof(float));
  return (elements + kElementsUnit - 1) / kElementsUnit * kElementsUnit;
}

PeerShots ShotsFor(int rank_count, std::int64_t elements) {
  // What passes a link at 300 GB/s in the 2 us of another exchange.
  constexpr std::int64_t kExchangeElements = 600'000 / sizeof(float);
  // One shot moves (n - 1) messages to each rank, two move 2 (n - 1) / n.
  const std::int64_t n = rank_count;
  return elements * (n - 1) * (n - 2) <= kExchangeElements * n ? PeerShots::kOne : PeerShots::kTwo;
}

std::unique_ptr<PeerGroup> PeerGroup::Join(ControlPlane& world, std::int64_t elements,
                                           PeerRefusal& refusal) {
  refusal = {};
  std::string& why = refusal.why;
  // All ranks know that by themselves, and before anything that has room for so many is touched.
  if (world.size() > kMaxPeers) {
    why = fmt::format("more than {} ranks", kMaxPeers);
    return nullptr;
  }
  // A rank that fails here still answers its peers.
  std::unique_ptr<PeerGroup> group(new PeerGroup(world.rank(), world.size(), elements));
  const auto attempt = [&why](auto&& step) {
    try {
      if (why.empty()) step();
    } catch (const Error& error) {
      why = error.what();
    }
  };
  Note mine{.elements = elements};
  why = elements == 0 ? fmt::format("{}=off", kVariable) : "";
  attempt([&] {
    int device = 0;
    Check(cudaGetDevice(&device), "cudaGetDevice");
    Check(cudaDeviceGetPCIBusId(mine.bus_id, sizeof(mine.bus_id), device), "cudaDeviceGetPCIBusId");
    const std::string id = DeviceId(device);
    std::memcpy(mine.device_id, id.data(), std::min(id.size(), sizeof(mine.device_id) - 1));
    group->Allocate();
    Check(cudaIpcGetMemHandle(&mine.handle, group->own_), "cudaIpcGetMemHandle");
  });
  const std::vector<Note> notes = Exchange(world, mine);
  attempt([&] { why = WhyNot(world, notes); });
  why = FirstReason(world, why);
  refusal.unexpected = why.empty();
  attempt([&] {
    for (int peer = 0; peer < world.size(); ++peer)
      if (peer != world.rank()) group->Open(peer, notes[static_cast<std::size_t>(peer)].handle);
  });
  why = FirstReason(world, why);
  group->shares_device_ = ShareDevice(notes);
  if (why.empty()) why = WhyNotProven(world, *group);
  if (why.empty())
    group->has_slow_links_ = !FirstReason(world, HasSlowLinks(notes) ? "here" : "").empty();
  if (why.empty()) return group;
  group->given_up_ = true;  // nobody waits for a goodbye
  return nullptr;
}

PeerGroup::PeerGroup(int rank, int rank_count, std::int64_t elements)
    : rank_(rank), rank_count_(rank_count), elements_(elements) {
  LOCKSTEP_CHECK(rank >= 0 && rank < rank_count && rank_count <= kMaxPeers, "rank {} of {}", rank,
                 rank_count);
}

void PeerGroup::Allocate() {
  const std::size_t bytes =
      kMessagesAt + static_cast<std::size_t>(kBuffers * elements_) * sizeof(float);
  CheckMemory(cudaMalloc(&own_, bytes), "cudaMalloc", bytes);
  Check(cudaMemset(own_, 0, kMessagesAt), "cudaMemset");
  void* status = nullptr;
  CheckMemory(cudaMallocHost(&status, sizeof(PeerStatus)), "cudaMallocHost", sizeof(PeerStatus));
  status_ = new (status) PeerStatus;
  // The zeros are there before any peer hears of the memory.
  Check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  bases_[static_cast<std::size_t>(rank_)] = own_;
}

void PeerGroup::Open(int peer, const cudaIpcMemHandle_t& handle) {
  const cudaError_t code = cudaIpcOpenMemHandle(&bases_[static_cast<std::size_t>(peer)], handle,
                                                cudaIpcMemLazyEnablePeerAccess);
  if (code == cudaSuccess) return;
  cudaGetLastError();  // not sticky: sums go another way
  throw EnvironmentError("rank {}: cudaIpcOpenMemHandle of rank {}'s memory: {}", rank_, peer,
                         cudaGetErrorName(code));
}

PeerProbeArgs PeerGroup::probe() const {
  PeerProbeArgs args{.shown_count = kBuffers * elements_, .rank = rank_, .rank_count = rank_count_};
  for (int peer = 0; peer < rank_count_; ++peer) {
    auto* bytes = static_cast<std::byte*>(bases_[static_cast<std::size_t>(peer)]);
    args.words[peer] = reinterpret_cast<std::uint64_t*>(bytes + kProbeAt);
    args.shown[peer] = reinterpret_cast<std::uint32_t*>(bytes + kMessagesAt);
  }
  return args;
}

PeerMemory PeerGroup::MemoryAt(void* base) const {
  auto* bytes = static_cast<std::byte*>(base);
  std::byte* messages = bytes + kMessagesAt;
  return {.flags = reinterpret_cast<std::uint64_t*>(bytes),
          .epochs = base == own_ ? reinterpret_cast<std::uint32_t*>(bytes + kEpochsAt) : nullptr,
          .staging = messages,
          .reduced = messages + 2 * static_cast<std::size_t>(elements_) * sizeof(float)};
}

void PeerGroup::Sum(float* x, std::int64_t count, double deadline_seconds, cudaStream_t stream) {
  Sum(x, count, {deadline_seconds, ShotsFor(rank_count_, count)}, stream);
}

void PeerGroup::Sum(float* x, std::int64_t count, const How& how, cudaStream_t stream) {
  PeerReduceArgs args = ReduceArgs(how.deadline_seconds);
  args.x = x;
  args.count = count;
  PeerReduce(args, how.shots, stream);
}

void PeerGroup::SumToResidual(const ResidualNormArgs& args, double deadline_seconds,
                              cudaStream_t stream) {
  PeerResidual(ReduceArgs(deadline_seconds), args, stream);
}

// But for what is added.
PeerReduceArgs PeerGroup::ReduceArgs(double deadline_seconds) const {
  PeerReduceArgs args{
      .type = DType::kF32,
      .staging_elements = elements_,
      .rank = rank_,
      .rank_count = rank_count_,
      .status = status_,
      .spins = static_cast<std::int64_t>(deadline_seconds * PeerLooksPerSecond()) + 1,
      .next_may_begin = !shares_device_};
  for (int peer = 0; peer < rank_count_; ++peer)
    args.peers[peer] = MemoryAt(bases_[static_cast<std::size_t>(peer)]);
  return args;
}

void PeerGroup::GiveUp() {
  given_up_ = true;
  __atomic_store_n(&status_->give_up, 1u, __ATOMIC_RELEASE);
}

PeerGroup::Report PeerGroup::report() const {
  const std::uint64_t word = __atomic_load_n(&status_->report, __ATOMIC_ACQUIRE);
  return {.fault = static_cast<PeerFault>(word >> 40),
          .peer = static_cast<int>(word >> 32 & 0xff),
          .count = static_cast<std::int64_t>(word & 0xffffffff)};
}

// Tells the peers that this rank reads their memory no more, and waits until all have said so.
bool PeerGroup::SayGoodbye() {
  const std::uint32_t goodbye = 1;
  for (void* base : bases_) {
    if (base == nullptr) continue;
    auto* words = reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(base) + kGoodbyesAt);
    cudaMemcpy(words + rank_, &goodbye, sizeof(goodbye), cudaMemcpyHostToDevice);
  }
  if (given_up_ || std::uncaught_exceptions() > 0) return false;
  DeadlineBackoff patience(kGoodbyeSeconds, DeadlineBackoff::Cores::kShared);
  std::array<std::uint32_t, kMaxPeers> heard = {};
  for (;; patience.Pause()) {
    const cudaError_t code =
        cudaMemcpy(heard.data(), static_cast<const std::byte*>(own_) + kGoodbyesAt, sizeof(heard),
                   cudaMemcpyDeviceToHost);
    int count = 0;
    for (const std::uint32_t word : heard) count += word != 0 ? 1 : 0;
    if (code != cudaSuccess || patience.expired()) return false;
    if (count == rank_count_) return true;
  }
}

PeerGroup::~PeerGroup() {
  if (own_ == nullptr) return;
  static_cast<void>(cudaDeviceSynchronize());
  bool whole = true;  // a group that was never complete has nobody to wait for
  for (int peer = 0; peer < rank_count_; ++peer)
    whole = whole && bases_[static_cast<std::size_t>(peer)] != nullptr;
  const bool free = !whole || SayGoodbye();
  for (void* base : bases_)
    if (base != nullptr && base != own_) static_cast<void>(cudaIpcCloseMemHandle(base));
  if (free) static_cast<void>(cudaFree(own_));
  if (status_ != nullptr) static_cast<void>(cudaFreeHost(status_));
}

}  // namespace lockstep::cuda
