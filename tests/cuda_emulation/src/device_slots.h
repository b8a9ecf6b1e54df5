#pragma once
// Room on a device. A device runs so many blocks at a time, of all processes that use it; a block
// that waits for another process keeps its room, and so does one that has begun early.

#include <cstdint>

namespace lockstep::cuda_emulation {

// The room of one grid while it runs. Without settings().slots nothing is counted.
class GridSlots {
 public:
  explicit GridSlots(std::uint64_t blocks);
  ~GridSlots();
  GridSlots(const GridSlots&) = delete;
  GridSlots& operator=(const GridSlots&) = delete;

  // Room for the next block, and as many of those behind it as there is room for. False when none
  // became free for settings().spin_seconds.
  bool AwaitBlock();
  void BlockDone();
  // All blocks have said that the next grid may begin. Blocks run one after another here; on a
  // device those of a grid with room for all are there together, so the first one's word is all of
  // theirs.
  void LetNextBegin();

 private:
  std::uint64_t left_;      // blocks that have not ended
  std::uint64_t held_ = 0;  // at most as many
  bool has_let_ = false;
};

// Before a grid runs: how many blocks the grid behind it in its stream has, if that one may begin
// before this one has ended; else 0.
void SetBlocksOfNextGrid(std::uint64_t blocks);

}  // namespace lockstep::cuda_emulation
