#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lockstep {

// Loops that do nothing but what bounds a model's speed, to measure the processor's ceilings with.
// They hold no product's own kernels: a share of a ceiling says how far these are from it.

enum class PeakKind : std::uint8_t { kFp32, kBf16, kInt8 };

// Multiply-adds on registers that all hold operands already, with enough independent sums that
// none waits for another.
struct Peak {
  std::string_view name;  // "bf16 VDPBF16PS (AVX-512)"
  PeakKind kind;
  double operations;  // multiplications and additions of one iteration
  void (*run)(std::int64_t iterations);
};

// Of each kind the best one for every unit that this processor has and the operating system lets
// us use: with AMX there are two for bf16 and int8. Never empty: portable fp32 is always there.
std::vector<Peak> Peaks();

// Reads memory. Returns a value that depends on all of it.
//   bytes  a multiple of 4096; data aligned to 64
using ReadLoop = std::uint64_t (*)(const std::byte* data, std::size_t bytes);

// Several ways to read, of which a machine likes one best.
std::vector<ReadLoop> ReadLoops();

}  // namespace lockstep
