#include "comm/shared/shared_communicator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "comm/tree_sum.h"

namespace lockstep {
namespace {

// Up to here the second wait costs more than the copy and adding everything on every rank.
constexpr std::size_t kWholeBytes = 1024;
constexpr std::size_t kWholeBytesOfAll = 4 * kWholeBytes;
// Slices end where cache lines (and the pairs in which they are fetched) do.
constexpr std::size_t kSliceUnit = 128 / sizeof(float);

struct Slice {
  std::size_t begin;
  std::size_t count;
};

Slice SliceOf(std::size_t count, int rank, int ranks) {
  const std::size_t units = (count + kSliceUnit - 1) / kSliceUnit;
  const auto of = static_cast<std::size_t>(ranks);
  const auto at = static_cast<std::size_t>(rank);
  const std::size_t begin = std::min(count, units * at / of * kSliceUnit);
  const std::size_t end = std::min(count, units * (at + 1) / of * kSliceUnit);
  return {begin, end - begin};
}

}  // namespace

SharedCommunicator::SharedCommunicator(Parts parts)
    : Communicator(std::move(parts.deadline)),
      across_(parts.across),
      channel_(parts.segment, std::move(parts.ranks), std::move(parts.probe)),
      arena_(std::make_shared<SharedArena>(parts.segment, channel_.rank())),
      messages_(parts.segment, arena_, channel_),
      values_(static_cast<std::size_t>(size())),
      sums_(static_cast<std::size_t>(size())) {}

SharedCommunicator::~SharedCommunicator() {
  arena_->Retire();
  // Leaving in good order would wait for ranks that do not come.
  if (broken_) static_cast<void>(world_.release());
}

void SharedCommunicator::set_waiting(Waiting waiting) {
  channel_.set_cores(waiting == Waiting::kSpins ? DeadlineBackoff::Cores::kEnough
                                                : DeadlineBackoff::Cores::kShared);
}

void SharedCommunicator::Begin(Collective collective, std::size_t bytes) {
  LOCKSTEP_CHECK(!broken_, "a collective after one that failed");
  broken_ = true;
  channel_.Begin(collective, bytes, deadline_seconds());
  long_messages_[channel_.number() % 2].reset();
}

void SharedCommunicator::Abort(int exit_code) {
  if (world_ != nullptr) world_->Abort(exit_code);
  std::_Exit(exit_code);
}

std::unique_ptr<Communicator> SharedCommunicator::Split(int color, int key) {
  LOCKSTEP_CHECK(!broken_, "a collective after one that failed");
  LOCKSTEP_CHECK(world_ != nullptr, "parts of ranks that are no processes");
  return world_->Split(color, key);
}

Tensor SharedCommunicator::AllocateReducible(Shape shape) {
  const auto bytes = static_cast<std::size_t>(shape.elements()) * sizeof(float);
  return Tensor(arena_->Allocate(bytes), DType::kF32, shape);
}

void SharedCommunicator::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(stream.handle == nullptr, "shared memory adds in host memory");
  const std::span<float> values(x.data<float>(), static_cast<std::size_t>(x.elements()));
  Begin(Collective::kAllReduce, values.size_bytes());
  ++all_reduce_count_;
  const bool whole = values.size_bytes() <= kWholeBytes && across_ == nullptr &&
                     values.size_bytes() * values_.size() <= kWholeBytesOfAll;
  if (values.empty()) {
    channel_.Post();
  } else if (whole) {
    SumWhole(values);
  } else {
    SumSlices(values);
  }
  Finish();
}

void SharedCommunicator::SumWhole(std::span<float> x) {
  std::memcpy(channel_.inlined().data(), x.data(), x.size_bytes());
  channel_.Post();
  for (int peer = 0; peer < size(); ++peer) {
    channel_.AwaitSameSize(peer);
    values_[static_cast<std::size_t>(peer)] =
        peer == rank() ? x.data() : reinterpret_cast<float*>(channel_.Inlined(peer).data());
  }
  float* const sums[] = {x.data()};
  AddInTree({values_, sums, x.size()});
}

void SharedCommunicator::SumSlices(std::span<float> x) {
  const auto in_place = arena_->Find(x.data(), x.size_bytes());
  channel_.Post(in_place ? *in_place : Stage(x));
  for (int peer = 0; peer < size(); ++peer) {
    channel_.AwaitSameSize(peer);
    auto* values = reinterpret_cast<float*>(channel_.Placed(peer));
    values_[static_cast<std::size_t>(peer)] = values;
    sums_[static_cast<std::size_t>(peer)] = values;
  }
  SumMySlice(x.size());
  channel_.RaiseDone();
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank()) channel_.AwaitDone(peer);
  }
  if (!in_place) std::memcpy(x.data(), staging_.get(), x.size_bytes());
}

// values_ and sums_ are everybody's arrays.
void SharedCommunicator::SumMySlice(std::size_t count) {
  const Slice slice = SliceOf(count, rank(), size());
  for (float*& sums : sums_) sums += slice.begin;
  for (const float*& values : values_) values += slice.begin;
  // Neighbours go apart from the border between their slices.
  const auto way = rank() % 2 == 0 ? TreeSum::Way::kDown : TreeSum::Way::kUp;
  if (across_ == nullptr) return AddInTree({values_, sums_, slice.count, way});
  float* const mine[] = {sums_[static_cast<std::size_t>(rank())]};
  AddInTree({values_, mine, slice.count});
  const auto length = static_cast<std::int64_t>(slice.count);
  across_->AllReduceSum(TensorView(mine[0], DType::kF32, {length}), Stream{});
  for (float* sums : sums_) {
    if (sums != mine[0]) std::memcpy(sums, mine[0], slice.count * sizeof(float));
  }
}

// Nobody reads it any more when the collective that it was staged for has ended.
SharedPlace SharedCommunicator::Stage(std::span<const float> x) {
  if (staging_bytes_ < x.size_bytes()) {
    staging_.reset();
    staging_ = arena_->Allocate(x.size_bytes());
    staging_bytes_ = x.size_bytes();
  }
  std::memcpy(staging_.get(), x.data(), x.size_bytes());
  return *arena_->Find(staging_.get(), x.size_bytes());
}

void SharedCommunicator::PostMessage(std::span<const std::byte> message) {
  if (message.size() <= Letterbox::kInlinedBytes) {
    std::copy(message.begin(), message.end(), channel_.inlined().begin());
    channel_.Post();
    return;
  }
  auto& memory = long_messages_[channel_.number() % 2];
  memory = arena_->Allocate(message.size());
  std::memcpy(memory.get(), message.data(), message.size());
  channel_.Post(*arena_->Find(memory.get(), message.size()));
}

ControlPlane::Bytes SharedCommunicator::ReceiveMessage(int from) {
  const std::size_t bytes = channel_.Await(from).bytes;
  const std::byte* message =
      bytes <= Letterbox::kInlinedBytes ? channel_.Inlined(from).data() : channel_.Placed(from);
  return Bytes(message, message + bytes);
}

std::vector<ControlPlane::Bytes> SharedCommunicator::AllGather(std::span<const std::byte> mine) {
  Begin(Collective::kAllGather, mine.size());
  PostMessage(mine);
  std::vector<Bytes> all;
  for (int peer = 0; peer < size(); ++peer) all.push_back(ReceiveMessage(peer));
  Finish();
  return all;
}

std::vector<ControlPlane::Bytes> SharedCommunicator::Gather(std::span<const std::byte> mine) {
  Begin(Collective::kGather, mine.size());
  PostMessage(mine);
  std::vector<Bytes> all;
  for (int peer = 0; peer < size() && rank() == 0; ++peer) all.push_back(ReceiveMessage(peer));
  Finish();
  return all;
}

void SharedCommunicator::Broadcast(Bytes& message) {
  Begin(Collective::kBroadcast, message.size());
  if (rank() == 0) {
    PostMessage(message);
  } else {
    channel_.Post();
    message = ReceiveMessage(0);
  }
  Finish();
}

void SharedCommunicator::Barrier() {
  Begin(Collective::kBarrier, 0);
  channel_.Post();
  for (int peer = 0; peer < size(); ++peer) channel_.Await(peer);
  Finish();
}

void SharedCommunicator::SendTo(int to, std::span<const std::byte> message) {
  LOCKSTEP_CHECK(!broken_, "a message after a call that failed");
  broken_ = true;
  messages_.Send(to, message, deadline_seconds());
  Finish();
}

void SharedCommunicator::RecvFrom(int from, Bytes& message) {
  LOCKSTEP_CHECK(!broken_, "a message after a call that failed");
  broken_ = true;
  messages_.Receive(from, message, deadline_seconds());
  Finish();
}

}  // namespace lockstep
