#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "server/groups/descriptor.h"

namespace lockstep {

// Messages of bytes over a stream socket, each with its length before it. Never waits: whoever has
// one polls. Not thread-safe.
class FrameSocket {
 public:
  explicit FrameSocket(Descriptor socket);

  int number() const { return socket_.number(); }

  // Queued, to be written by Write().
  void Put(std::span<const std::byte> message);
  bool has_unwritten() const { return written_ < unwritten_.size(); }

  // What can be done now. False: the peer is gone; Next() may still have messages of its.
  bool Write();
  bool Read();

  // The next message that has come as a whole. Throws Error(kInternal) for one that is too long to
  // be true.
  std::optional<std::vector<std::byte>> Next();

 private:
  Descriptor socket_;
  std::vector<std::byte> unwritten_;
  std::size_t written_ = 0;
  std::vector<std::byte> unread_;
  std::size_t read_ = 0;
};

}  // namespace lockstep
