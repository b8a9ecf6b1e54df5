#include "comm/shared/shared_messages.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lockstep {

SharedMessages::SharedMessages(std::shared_ptr<SharedSegment> segment,
                               std::shared_ptr<SharedArena> arena, SharedChannel& channel)
    : segment_(std::move(segment)),
      arena_(std::move(arena)),
      channel_(channel),
      sent_(static_cast<std::size_t>(channel.size())),
      received_(sent_.size()) {}

void SharedMessages::Send(int to, std::span<const std::byte> message, double deadline_seconds) {
  const std::uint64_t number = ++sent_[static_cast<std::size_t>(to)];
  channel_.BeginMessage({Collective::kSend, number, message.size(), to}, deadline_seconds);
  MessageSlot& slot = segment_->slot(channel_.rank(), to);
  slot.bytes = message.size();
  if (message.size() <= MessageSlot::kInlinedBytes)
    std::ranges::copy(message, slot.inlined);
  else
    slot.place = PlaceOf(message);
  slot.sent.Raise(number);
  channel_.AwaitMessage(slot.taken);
}

void SharedMessages::Receive(int from, ControlPlane::Bytes& message, double deadline_seconds) {
  const std::uint64_t number = ++received_[static_cast<std::size_t>(from)];
  channel_.BeginMessage({Collective::kReceive, number, 0, from}, deadline_seconds);
  MessageSlot& slot = segment_->slot(from, channel_.rank());
  channel_.AwaitMessage(slot.sent);
  const std::byte* begin =
      slot.bytes <= MessageSlot::kInlinedBytes ? slot.inlined : segment_->At(slot.place);
  message.resize(slot.bytes);
  std::copy_n(begin, message.size(), message.begin());
  slot.taken.Raise(number);
}

SharedPlace SharedMessages::PlaceOf(std::span<const std::byte> message) {
  if (const auto place = arena_->Find(message.data(), message.size())) return *place;
  if (staging_bytes_ < message.size()) {
    staging_.reset();
    staging_ = arena_->Allocate(message.size());
    staging_bytes_ = message.size();
  }
  std::memcpy(staging_.get(), message.data(), message.size());
  return *arena_->Find(staging_.get(), message.size());
}

}  // namespace lockstep
