#pragma once

// Weights of 4 bits in memory of the device: in the order in which the lanes of a warp multiply
// them, each with one access of 16 bytes, and their scales behind them.

#include <cstdint>

namespace lockstep::cuda {

inline constexpr int kInt4BlockOutputs = 16;
inline constexpr int kInt4BlockInputs = 64;  // a group: they share a scale

struct alignas(16) Int4Block {
  // Of lane 4 g + t, by steps of 32 inputs and of outputs g and g + 8: inputs [8 t, 8 t + 8).
  // Values -8 to 7 lie as 0 to 15.
  std::uint32_t words[32][4];
  std::uint16_t scales[kInt4BlockOutputs];  // bf16
};
static_assert(sizeof(Int4Block) == 544, "4.25 bits for each weight");

// Where a weight lies in its block. Inputs 2 i and 2 i + 1 lie 16 bits apart, so that a mask makes
// of a word two halves of a pair.
struct Int4Place {
  int lane;
  int word;
  int shift;
};
constexpr Int4Place PlaceInInt4Block(int output, int input) {
  const int step = input / 32, of_lane = input % 8;
  return {.lane = output % 8 * 4 + input % 32 / 8,
          .word = 2 * step + output / 8,
          .shift = of_lane / 2 * 4 + of_lane % 2 * 16};
}

}  // namespace lockstep::cuda
