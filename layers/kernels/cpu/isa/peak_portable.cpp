#include <cstring>

#include "layers/kernels/cpu/peak_loops.h"

namespace lockstep {
namespace {

constexpr int kSums = 64;

// Without contraction: a multiplication and an addition each.
void MultiplyAdd(std::int64_t iterations) {
  float sums[kSums] = {};
  float factors[kSums];
  for (int i = 0; i < kSums; ++i) factors[i] = 1.0f + static_cast<float>(i);
  volatile float step = 1e-6f;
  const float scale = step;
  for (std::int64_t i = 0; i < iterations; ++i)
    for (int j = 0; j < kSums; ++j) sums[j] += factors[j] * scale;
  float all = 0.0f;
  for (const float sum : sums) all += sum;
  step = all;
}

std::uint64_t ReadWords(const std::byte* data, std::size_t bytes) {
  std::uint64_t sums[8] = {};
  for (std::size_t at = 0; at < bytes; at += sizeof(sums)) {
    std::uint64_t words[8];
    std::memcpy(words, data + at, sizeof(words));
    for (int i = 0; i < 8; ++i) sums[i] ^= words[i];
  }
  std::uint64_t all = 0;
  for (const std::uint64_t sum : sums) all ^= sum;
  return all;
}

}  // namespace

std::vector<Peak> Peaks() {
  std::vector<Peak> peaks = cpu::NativePeaks();
  for (const Peak& peak : peaks)
    if (peak.kind == PeakKind::kFp32) return peaks;
  peaks.insert(peaks.begin(), {"fp32 (portable)", PeakKind::kFp32, 2.0 * kSums, MultiplyAdd});
  return peaks;
}

std::vector<ReadLoop> ReadLoops() {
  std::vector<ReadLoop> loops = cpu::NativeReadLoops();
  if (loops.empty()) loops.push_back(ReadWords);
  return loops;
}

}  // namespace lockstep
