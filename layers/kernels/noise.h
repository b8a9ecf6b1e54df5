#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace lockstep {

// The random numbers of one choice: of every token, the same wherever they are computed.
struct NoiseKey {
  std::array<std::uint32_t, 4> words = {};

  bool operator==(const NoiseKey&) const = default;
};

// 32 random bits of a token: the integer hash "triple32" (C. Wellons, hash-prospector), whose bias
// cannot be told from chance, of the token and two words of a key.
constexpr std::uint32_t NoiseBits(std::uint32_t token, std::uint32_t a, std::uint32_t b) {
  std::uint32_t x = token + a;
  x = (x ^ (x >> 17)) * 0xed5ad4bbu ^ b;
  x = (x ^ (x >> 11)) * 0xac4c1b51u;
  x = (x ^ (x >> 15)) * 0x31848babu;
  return x ^ (x >> 14);
}

// The score of a token in the race for the next place. With a Gumbel-distributed number added to
// logit / temperature, the token with the largest score of a set is distributed as the set's
// softmax (Gumbel-max trick; Maddison et al., "A* Sampling", 2014): a maximum, which ranks can find
// each on its part, and which does not depend on what else is in the batch.
// The number is -log(-log(1 - v)), v uniform of 64 bits.
inline double RaceScore(const NoiseKey& key, std::int32_t token, float logit, double temperature) {
  const auto id = static_cast<std::uint32_t>(token);
  const std::uint64_t bits = static_cast<std::uint64_t>(NoiseBits(id, key.words[0], key.words[1]))
                                 << 32 |
                             NoiseBits(id, key.words[2], key.words[3]);
  constexpr double kLargest = 1.0 - 0x1p-53;
  const double uniform = std::min((static_cast<double>(bits) + 0.5) * 0x1p-64, kLargest);
  return static_cast<double>(logit) / temperature - std::log(-std::log1p(-uniform));
}

// What a score rounded up (layers/kernels/noise_ceiling.h) must reach so as not to miss an exact
// one.
inline float LeastCeiling(double score) {
  return static_cast<float>(score - 1e-3 - 1e-6 * std::abs(score));
}

}  // namespace lockstep
