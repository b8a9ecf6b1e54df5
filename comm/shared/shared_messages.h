#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "comm/shared/shared_arena.h"
#include "comm/shared/shared_channel.h"
#include "comm/shared/shared_segment.h"

namespace lockstep {

// Messages between two ranks of a host. The receiver copies a long one from where it lies: in the
// sender's arena, to which it is copied first if it lies elsewhere.
// Not thread-safe: the communicator's thread.
class SharedMessages {
 public:
  // The channel waits, and knows who is there. It outlives this.
  SharedMessages(std::shared_ptr<SharedSegment> segment, std::shared_ptr<SharedArena> arena,
                 SharedChannel& channel);

  // As ControlPlane's, between different ranks.
  void Send(int to, std::span<const std::byte> message, double deadline_seconds);
  void Receive(int from, ControlPlane::Bytes& message, double deadline_seconds);

 private:
  SharedPlace PlaceOf(std::span<const std::byte> message);

  std::shared_ptr<SharedSegment> segment_;
  std::shared_ptr<SharedArena> arena_;
  SharedChannel& channel_;
  std::vector<std::uint64_t> sent_;      // messages to each rank
  std::vector<std::uint64_t> received_;  // and from each
  std::shared_ptr<void> staging_;
  std::size_t staging_bytes_ = 0;
};

}  // namespace lockstep
