#include "engine/sampling/random.h"

#include <array>

namespace lockstep {
namespace {

using Block = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

constexpr int kRounds = 10;
constexpr std::uint64_t kMultiplierA = 0xD2511F53u;
constexpr std::uint64_t kMultiplierB = 0xCD9E8D57u;
constexpr std::uint32_t kWeylA = 0x9E3779B9u;
constexpr std::uint32_t kWeylB = 0xBB67AE85u;

std::uint32_t Low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
std::uint32_t High(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

Block Philox(Block counter, Key key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = kMultiplierA * counter[0];
    const std::uint64_t b = kMultiplierB * counter[2];
    counter = {High(b) ^ counter[1] ^ key[0], Low(b), High(a) ^ counter[3] ^ key[1], Low(a)};
    key[0] += kWeylA;
    key[1] += kWeylB;
  }
  return counter;
}

}  // namespace

NoiseKey NoiseAt(std::uint64_t seed, std::uint64_t stream, std::uint64_t position) {
  return {
      Philox({Low(position), High(position), Low(stream), High(stream)}, {Low(seed), High(seed)})};
}

}  // namespace lockstep
