#include "comm/shared/shared_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "core/error.h"

namespace lockstep {
namespace {

// Addresses cost nothing until they are touched.
constexpr std::uint64_t kPieceBytes = std::uint64_t{64} << 20;

std::uint64_t RoundUp(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::uint64_t PageBytes() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

SharedArena::SharedArena(std::shared_ptr<SharedSegment> segment, int rank)
    : segment_(std::move(segment)),
      next_piece_(segment_->ArenaBegin(rank)),
      end_(next_piece_ + SharedSegment::kArenaBytes) {}

std::shared_ptr<void> SharedArena::Allocate(std::size_t bytes) {
  const std::uint64_t rounded = RoundUp(std::max<std::uint64_t>(bytes, 1), PageBytes());
  const std::lock_guard lock(mutex_);
  std::byte* block = Take(rounded);
  return {block, [self = shared_from_this(), rounded](void* memory) {
            self->Free(static_cast<std::byte*>(memory), rounded);
          }};
}

std::byte* SharedArena::Take(std::uint64_t bytes) {
  for (Piece& piece : pieces_) {
    for (auto [offset, free_bytes] : piece.free) {
      if (free_bytes < bytes) continue;
      piece.free.erase(offset);
      if (free_bytes > bytes) piece.free.emplace(offset + bytes, free_bytes - bytes);
      return piece.memory + offset;
    }
  }
  AddPiece(bytes);
  return Take(bytes);
}

void SharedArena::AddPiece(std::uint64_t bytes) {
  const std::uint64_t rounded = RoundUp(bytes, kPieceBytes);
  if (rounded > end_ - next_piece_) {
    throw EnvironmentError("{} bytes of shared memory: this rank's share is used up", bytes);
  }
  std::byte* memory = segment_->At({next_piece_, rounded, 0});
  pieces_.push_back({next_piece_, rounded, memory, {{0, rounded}}});
  next_piece_ += rounded;
}

void SharedArena::Retire() {
  const std::lock_guard lock(mutex_);
  retired_ = true;
}

void SharedArena::Free(std::byte* block, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (retired_) return;
  // Back to the system, for every rank that has touched it.
  ::madvise(block, bytes, MADV_REMOVE);
  const auto piece = std::ranges::find_if(
      pieces_, [block](const Piece& p) { return block >= p.memory && block < p.memory + p.bytes; });
  auto& free = piece->free;
  auto begin = static_cast<std::uint64_t>(block - piece->memory);
  const auto after = free.upper_bound(begin);
  if (after != free.end() && after->first == begin + bytes) {
    bytes += after->second;
    free.erase(after);
  }
  const auto behind = free.lower_bound(begin);
  if (behind != free.begin() && std::prev(behind)->first + std::prev(behind)->second == begin) {
    std::prev(behind)->second += bytes;
  } else {
    free.emplace(begin, bytes);
  }
}

std::optional<SharedPlace> SharedArena::Find(const void* memory, std::size_t bytes) const {
  const auto* begin = static_cast<const std::byte*>(memory);
  const std::lock_guard lock(mutex_);
  for (const Piece& piece : pieces_) {
    if (begin < piece.memory || begin + bytes > piece.memory + piece.bytes) continue;
    return SharedPlace{piece.begin, piece.bytes, static_cast<std::uint64_t>(begin - piece.memory)};
  }
  return std::nullopt;
}

}  // namespace lockstep
