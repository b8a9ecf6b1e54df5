#include "layers/kernels/peaks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

namespace lockstep {
namespace {

TEST(Peaks, AreThereForFp32AtLeastAndNamedOnce) {
  const std::vector<Peak> peaks = Peaks();
  std::set<std::string_view> names;
  for (const Peak& peak : peaks) {
    EXPECT_TRUE(names.insert(peak.name).second) << peak.name;
    EXPECT_GT(peak.operations, 0.0) << peak.name;
  }
  EXPECT_TRUE(
      std::ranges::any_of(peaks, [](const Peak& peak) { return peak.kind == PeakKind::kFp32; }));
}

TEST(Peaks, RunOnThisMachine) {
  for (const Peak& peak : Peaks()) {
    peak.run(0);
    peak.run(3);
  }
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

TEST(ReadLoops, ReadEveryByte) {
  constexpr std::size_t kBytes = 3 * 4096;
  const std::unique_ptr<std::byte, Free> memory(
      static_cast<std::byte*>(std::aligned_alloc(64, kBytes)));
  std::fill_n(memory.get(), kBytes, std::byte{0});
  for (const ReadLoop loop : ReadLoops()) {
    const std::uint64_t before = loop(memory.get(), kBytes);
    for (std::size_t at = 0; at < kBytes; at += 61) {
      memory.get()[at] = std::byte{1};
      EXPECT_NE(loop(memory.get(), kBytes), before) << at;
      memory.get()[at] = std::byte{0};
    }
  }
}

}  // namespace
}  // namespace lockstep
