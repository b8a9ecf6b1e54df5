#include "comm/mpi/mpi_communicator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "comm/mpi/mpi_blocking.h"

namespace lockstep {
namespace {

// Up to here more than two ranks send all values log2(N) times rather than parts of them twice as
// often: networks that need as long for 64 KiB as for two ways are slow ones.
constexpr std::size_t kWholeBytes = 64 * 1024;

// MPI sends short messages at once and asks before long ones, which takes two ways more. So up to
// kMostPieced bytes go in pieces that are short for Open MPI over TCP (btl_tcp_eager_limit, 64 KiB
// with a header). Longer ones take longer than that anyway, and pieces would cost copies.
constexpr std::size_t kPieceBytes = 32 * 1024;
constexpr std::size_t kMostPieced = 1024 * 1024;

// A message of any length: its first packet carries the length and as much as fits, so short
// ones cost one transfer.
constexpr std::size_t kPacketBytes = 4096;
constexpr std::size_t kInlineBytes = kPacketBytes - sizeof(std::uint64_t);

// Up to so many ranks send the answers of a step to rank 0 themselves.
constexpr int kMostDirect = 16;

ControlPlane::Bytes MakePacket(std::span<const std::byte> message) {
  const auto length = static_cast<std::uint64_t>(message.size());
  const std::size_t inlined = std::min(message.size(), kInlineBytes);
  ControlPlane::Bytes packet(sizeof(length) + inlined);
  std::memcpy(packet.data(), &length, sizeof(length));
  std::copy_n(message.begin(), inlined, packet.begin() + sizeof(length));
  return packet;
}

// What the packet says: the whole length, with the inlined part filled in.
void OpenPacket(std::span<const std::byte> packet, ControlPlane::Bytes& message) {
  std::uint64_t length = 0;
  std::memcpy(&length, packet.data(), sizeof(length));
  message.resize(length);
  const std::size_t inlined = std::min<std::size_t>(length, kInlineBytes);
  std::copy_n(packet.begin() + sizeof(length), inlined, message.begin());
}

template <typename Container>
auto Rest(Container& message) {
  return std::span(message).subspan(std::min(message.size(), kInlineBytes));
}

template <typename Byte>
std::vector<std::span<Byte>> PiecesOf(std::span<Byte> bytes) {
  const std::size_t length = bytes.size() <= kMostPieced ? kPieceBytes : bytes.size();
  std::vector<std::span<Byte>> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += length)
    pieces.push_back(bytes.subspan(at, std::min(length, bytes.size() - at)));
  return pieces;
}

void Add(std::span<float> x, std::span<const float> other) {
  // a + b and b + a have the same bits, so it does not matter which of the two ranks adds.
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += other[i];
}

}  // namespace

MpiCommunicator::MpiCommunicator(Parts parts)
    : Communicator(std::move(parts.deadline)),
      channel_(std::move(parts.ranks), parts.max_message_bytes, std::move(parts.probe)),
      tree_(PlaceInTree(rank(), size())),
      max_message_bytes_(parts.max_message_bytes),
      shared_memory_(parts.shared_memory) {}

MpiCommunicator::~MpiCommunicator() {
  // After a failure messages may still be on their way.
  if (broken_) static_cast<void>(lane_.release());
  // MPI_Finalize would wait for ranks that do not come.
  if (broken_ || ranks().lane != kWorldLane) return;
  // Lower ranks first: one message is enough.
  const double turn = 1.5 * std::min(rank(), 8);
  LeaveMpi({deadline_seconds() + turn, [this] {
              return fmt::format(
                  "leaving the world: the peers of rank {} on {} did not arrive within {:g} s",
                  rank(), host(rank()), deadline_seconds());
            }});
}

void MpiCommunicator::set_waiting(Waiting waiting) {
  channel_.set_cores(waiting == Waiting::kSpins ? DeadlineBackoff::Cores::kEnough
                                                : DeadlineBackoff::Cores::kShared);
}

void MpiCommunicator::Begin(Collective collective, std::size_t bytes) {
  LOCKSTEP_CHECK(!broken_, "a collective after one that failed");
  broken_ = true;
  channel_.Begin(collective, bytes, deadline_seconds());
}

void MpiCommunicator::Abort(int exit_code) { AbortMpi(exit_code); }

void MpiCommunicator::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(stream.handle == nullptr, "MPI adds in host memory");
  const std::span<float> values(x.data<float>(), static_cast<std::size_t>(x.elements()));
  Begin(Collective::kAllReduce, values.size_bytes());
  ++all_reduce_count_;
  if (!values.empty()) SumOverRanks(values);
  Finish();
}

// Even ranks of the leading pairs add up for both; what is left is a power of two.
void MpiCommunicator::SumOverRanks(std::span<float> x) {
  const auto participants = static_cast<int>(std::bit_floor(static_cast<unsigned>(size())));
  const int pairs = size() - participants;
  const bool paired = rank() < 2 * pairs;
  const bool yields = paired && rank() % 2 == 1;
  if (yields) {
    PostValuesTo(rank() - 1, x);
    channel_.Wait();
    PostValuesFrom(rank() - 1, x);
    channel_.Wait();
    return;
  }
  if (paired) ReceiveAndAdd(rank() + 1, x);
  const int index = paired ? rank() / 2 : rank() - pairs;
  // Two ranks exchange as many bytes either way.
  if (participants <= 2 || x.size_bytes() <= kWholeBytes) {
    SumWhole(x, index, participants);
  } else {
    SumHalves(x, index, participants);
  }
  if (paired) {
    PostValuesTo(rank() + 1, x);
    channel_.Wait();
  }
}

// The rank that takes part under this index.
int MpiCommunicator::RankOf(int index) const {
  const int pairs = size() - static_cast<int>(std::bit_floor(static_cast<unsigned>(size())));
  return index < pairs ? 2 * index : index + pairs;
}

void MpiCommunicator::ReceiveAndAdd(int peer, std::span<float> x) {
  scratch_.resize(std::max(scratch_.size(), x.size()));
  const std::span<float> theirs(scratch_.data(), x.size());
  PostValuesFrom(peer, theirs);
  channel_.Wait();
  Add(x, theirs);
}

void MpiCommunicator::Exchange(int peer, std::span<const float> out, std::span<float> in) {
  if (out.size_bytes() > kPieceBytes) channel_.RefuseIfGone(peer);
  PostValuesFrom(peer, in);
  PostValuesTo(peer, out);
  channel_.Wait();
}

void MpiCommunicator::PostValuesFrom(int peer, std::span<float> values) {
  for (const auto piece : PiecesOf(std::as_writable_bytes(values)))
    channel_.PostReceive(peer, piece);
}

void MpiCommunicator::PostValuesTo(int peer, std::span<const float> values) {
  for (const auto piece : PiecesOf(std::as_bytes(values))) channel_.PostSend(peer, piece);
}

void MpiCommunicator::SumWhole(std::span<float> x, int index, int ranks) {
  scratch_.resize(std::max(scratch_.size(), x.size()));
  const std::span<float> theirs(scratch_.data(), x.size());
  for (int distance = 1; distance < ranks; distance *= 2) {
    Exchange(RankOf(index ^ distance), x, theirs);
    Add(x, theirs);
  }
}

void MpiCommunicator::SumHalves(std::span<float> x, int index, int ranks) {
  scratch_.resize(std::max(scratch_.size(), x.size() / 2 + 1));
  struct Split {
    std::span<float> mine;
    std::span<float> theirs;
  };
  std::vector<Split> splits;
  std::span<float> part = x;
  // Partners share the part they split, because all lower bits of their indices agree.
  for (int distance = 1; distance < ranks; distance *= 2) {
    const auto low = part.first(part.size() / 2);
    const auto high = part.subspan(part.size() / 2);
    const bool lower = (index & distance) == 0;
    const Split split = lower ? Split{low, high} : Split{high, low};
    const std::span<float> received(scratch_.data(), split.mine.size());
    Exchange(RankOf(index ^ distance), split.theirs, received);
    Add(split.mine, received);
    splits.push_back(split);
    part = split.mine;
  }
  for (int distance = ranks / 2; distance >= 1; distance /= 2) {
    const Split split = splits.back();
    splits.pop_back();
    Exchange(RankOf(index ^ distance), split.mine, split.theirs);
  }
}

std::vector<ControlPlane::Bytes> MpiCommunicator::Gather(std::span<const std::byte> mine) {
  Begin(Collective::kGather, mine.size());
  std::vector<Bytes> all;
  if (size() <= kMostDirect)
    all = GatherDirectly(mine);
  else if (const Bytes bundle = GatherInTree(mine); rank() == 0)
    all = OpenBundle(bundle);
  Finish();
  return all;
}

// One way through the network for each answer of a step.
std::vector<ControlPlane::Bytes> MpiCommunicator::GatherDirectly(std::span<const std::byte> mine) {
  if (rank() != 0) {
    SendMessage(0, mine);
    return {};
  }
  const auto ranks = static_cast<std::size_t>(size());
  std::vector<Bytes> packets(ranks, Bytes(kPacketBytes));
  for (int peer = 1; peer < size(); ++peer) {
    channel_.PostReceiveUpTo(peer, packets[static_cast<std::size_t>(peer)]);
  }
  channel_.Wait();
  std::vector<Bytes> all(ranks);
  all[0].assign(mine.begin(), mine.end());
  for (std::size_t peer = 1; peer < ranks; ++peer) {
    OpenPacket(packets[peer], all[peer]);
    const auto rest = Rest(all[peer]);
    if (!rest.empty()) channel_.PostReceive(static_cast<int>(peer), rest);
  }
  channel_.Wait();
  return all;
}

// The bundle of the ranks below this one, and its own message.
ControlPlane::Bytes MpiCommunicator::GatherInTree(std::span<const std::byte> mine) {
  Bytes bundle = BeginBundle(mine);
  Bytes theirs;
  for (const int child : tree_.children) {
    ReceiveMessage(child, theirs);
    bundle.insert(bundle.end(), theirs.begin(), theirs.end());
  }
  if (tree_.parent >= 0) SendMessage(tree_.parent, bundle);
  return bundle;
}

std::vector<ControlPlane::Bytes> MpiCommunicator::AllGather(std::span<const std::byte> mine) {
  Begin(Collective::kAllGather, mine.size());
  Bytes bundle = GatherInTree(mine);
  BroadcastFromFirst(bundle);
  std::vector<Bytes> all = OpenBundle(bundle);
  LOCKSTEP_CHECK(std::ssize(all) == size(), "{} messages of {} ranks", all.size(), size());
  Finish();
  return all;
}

void MpiCommunicator::Broadcast(Bytes& message) {
  Begin(Collective::kBroadcast, message.size());
  BroadcastFromFirst(message);
  Finish();
}

// Those that have most to pass on hear it first.
void MpiCommunicator::BroadcastFromFirst(Bytes& message) {
  if (tree_.parent >= 0) ReceiveMessage(tree_.parent, message);
  const Bytes packet = MakePacket(message);
  for (auto child = tree_.children.rbegin(); child != tree_.children.rend(); ++child) {
    channel_.PostSend(*child, packet);
    if (message.size() > kInlineBytes) channel_.PostSend(*child, Rest(message));
  }
  channel_.Wait();
}

void MpiCommunicator::SendMessage(int to, std::span<const std::byte> message) {
  const Bytes packet = MakePacket(message);
  channel_.PostSend(to, packet);
  if (message.size() > kInlineBytes) channel_.PostSend(to, Rest(message));
  channel_.Wait();
}

void MpiCommunicator::ReceiveMessage(int from, Bytes& message) {
  Bytes packet(kPacketBytes);
  channel_.PostReceiveUpTo(from, packet);
  channel_.Wait();
  OpenPacket(packet, message);
  const auto rest = Rest(message);
  if (!rest.empty()) {
    channel_.PostReceive(from, rest);
    channel_.Wait();
  }
}

void MpiCommunicator::SendTo(int to, std::span<const std::byte> message) {
  LOCKSTEP_CHECK(!broken_, "a message after a call that failed");
  broken_ = true;
  channel_.BeginMessage({.collective = Collective::kSend, .bytes = message.size(), .peer = to},
                        deadline_seconds());
  const Bytes packet = MakePacket(message);
  channel_.PostSendToReceiver(to, packet);
  if (message.size() > kInlineBytes) channel_.PostSend(to, Rest(message));
  channel_.Wait();
  Finish();
}

void MpiCommunicator::RecvFrom(int from, Bytes& message) {
  LOCKSTEP_CHECK(!broken_, "a message after a call that failed");
  broken_ = true;
  channel_.BeginMessage({.collective = Collective::kReceive, .peer = from}, deadline_seconds());
  ReceiveMessage(from, message);
  Finish();
}

// Dissemination: after log2(N) rounds everybody has heard, through others, from everybody.
void MpiCommunicator::Barrier() {
  Begin(Collective::kBarrier, 0);
  for (int distance = 1; distance < size(); distance *= 2) {
    channel_.PostReceive((rank() - distance + size()) % size(), {});
    channel_.PostSend((rank() + distance) % size(), {});
    channel_.Wait();
  }
  Finish();
}

}  // namespace lockstep
