#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "comm/shared/shared_segment.h"

namespace lockstep {

// One rank's own memory in the segment, which its peers can read and write: blocks of whole
// pages. Blocks keep the arena alive. Thread safety: every call may come from any thread.
class SharedArena : public std::enable_shared_from_this<SharedArena> {
 public:
  SharedArena(std::shared_ptr<SharedSegment> segment, int rank);

  // A block aligned to pages, zero or with a former block's content, that frees itself.
  // Throws EnvironmentError when there are no addresses left.
  std::shared_ptr<void> Allocate(std::size_t bytes);

  // From now on nothing is given back: peers may still read the last messages.
  void Retire();

  // Where this memory lies; nothing when it is not (all of it) the arena's.
  std::optional<SharedPlace> Find(const void* memory, std::size_t bytes) const;

 private:
  struct Piece {
    std::uint64_t begin;  // in the file
    std::uint64_t bytes;
    std::byte* memory;
    std::map<std::uint64_t, std::uint64_t> free;  // offset -> bytes, coalesced
  };

  std::byte* Take(std::uint64_t bytes);
  void AddPiece(std::uint64_t bytes);
  void Free(std::byte* block, std::uint64_t bytes);

  std::shared_ptr<SharedSegment> segment_;
  std::uint64_t next_piece_;
  std::uint64_t end_;
  mutable std::mutex mutex_;
  std::vector<Piece> pieces_;
  bool retired_ = false;
};

}  // namespace lockstep
