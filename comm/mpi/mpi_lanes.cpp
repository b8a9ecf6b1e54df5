#include "comm/mpi/mpi_lanes.h"

#include <bit>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr int kNumberBits = 6;
constexpr int kCollectiveBits = 3;
constexpr int kLanes = 1 << (15 - kCollectiveBits - kNumberBits);
static_assert(static_cast<int>(Collective::kReceive) < 1 << kCollectiveBits);
static_assert(kLanes <= 64, "LanesInUse() has one bit for each");

constexpr std::uint64_t PairAt(int lane) { return std::uint64_t{3} << lane; }

std::uint64_t g_in_use = PairAt(kWorldLane) | PairAt(kMessengerLane);

}  // namespace

int TagOf(int lane, Collective collective, std::uint64_t number) {
  const auto low = static_cast<int>(number & ((1u << kNumberBits) - 1));
  // Both ends of a message between two ranks have one tag.
  if (collective == Collective::kReceive) collective = Collective::kSend;
  const int high = lane << kCollectiveBits | static_cast<int>(collective);
  return high << kNumberBits | low;
}

std::uint64_t LanesInUse() { return g_in_use; }

int FreeLane(std::uint64_t in_use) {
  const int lane = std::countr_one(in_use);
  LOCKSTEP_CHECK(lane + 1 < kLanes, "more than {} parts of a world at a time",
                 kLanes / 2 - std::popcount(PairAt(kWorldLane) | PairAt(kMessengerLane)) / 2);
  return lane;
}

LaneClaim::LaneClaim(int lane) : bits_(PairAt(lane)) {
  LOCKSTEP_CHECK((g_in_use & bits_) == 0, "lane {} has a group already", lane);
  g_in_use |= bits_;
}

LaneClaim::~LaneClaim() { g_in_use &= ~bits_; }

}  // namespace lockstep
