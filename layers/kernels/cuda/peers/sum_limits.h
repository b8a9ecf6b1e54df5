#pragma once

#include <cstdint>
#include <span>

namespace lockstep::cuda {

// How long sums of one size take, in seconds: the slowest rank's.
struct SumTimes {
  std::int64_t elements = 0;
  double one_shot = 0;
  double two_shots = 0;
  double nccl = 0;  // 0: there is none
};

// Up to how many values sums go which way; above `peers` by NCCL.
struct SumLimits {
  std::int64_t one_shot = 0;
  std::int64_t peers = 0;

  bool operator==(const SumLimits&) const = default;
};

// Of times by rising sizes. The shots make no difference in the bits, the quicker is taken. Peers'
// memory and NCCL do: so peers' memory is kept until NCCL is quicker by more than a measurement
// wavers, and the next run has the same limit.
SumLimits LimitsOf(std::span<const SumTimes> times);

}  // namespace lockstep::cuda
