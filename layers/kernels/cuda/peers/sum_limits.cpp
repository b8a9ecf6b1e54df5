#include "layers/kernels/cuda/peers/sum_limits.h"

#include <algorithm>

namespace lockstep::cuda {

SumLimits LimitsOf(std::span<const SumTimes> times) {
  constexpr double kDecidedly = 1.5;
  SumLimits limits;
  bool one_shot = true;
  for (const SumTimes& time : times) {
    const double peers = std::min(time.one_shot, time.two_shots);
    if (time.nccl > 0 && peers > kDecidedly * time.nccl) break;
    one_shot = one_shot && time.one_shot <= time.two_shots;
    if (one_shot) limits.one_shot = time.elements;
    limits.peers = time.elements;
  }
  return limits;
}

}  // namespace lockstep::cuda
