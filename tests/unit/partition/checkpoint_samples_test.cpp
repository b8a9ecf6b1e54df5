#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "core/heartbeat.h"
#include "partition/checkpoint/checkpoint.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

class CheckpointSamples : public testing::Test {
 protected:
  void SetUp() override {
    WriteSafetensors(file(), std::vector{PatternTensor("large", DType::kF32, {1000, 300}, 1),
                                         PatternTensor("none", DType::kF32, {0, 5}, 2),
                                         PatternTensor("small", DType::kBF16, {50}, 3)});
  }
  std::filesystem::path file() const { return folder_ / "model.safetensors"; }
  std::vector<TensorSample> Samples() const { return Checkpoint::Open(folder_.path()).Samples(); }
  // Changes one byte, so many bytes before the file's end.
  void Damage(std::streamoff from_end) const {
    std::fstream stream(file(), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-from_end, std::ios::end);
    stream.put('\x55');
  }
  TemporaryFolder folder_;
};

constexpr std::streamoff kSmallBytes = 50 * 2;
constexpr std::streamoff kLargeBytes = 1000 * 300 * 4;

TEST_F(CheckpointSamples, DescribeEveryTensorAndAreAlwaysTheSame) {
  const auto samples = Samples();
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].info.name, "large");
  EXPECT_EQ(samples[2].info.name, "small");
  EXPECT_EQ(samples[0].hash, Samples()[0].hash);
}

TEST_F(CheckpointSamples, SeeEveryByteOfASmallTensor) {
  const auto before = Samples();
  for (const std::streamoff at : {std::streamoff{1}, kSmallBytes / 2, kSmallBytes}) {
    Damage(at);
    EXPECT_NE(Samples()[2].hash, before[2].hash) << at;
  }
  EXPECT_EQ(Samples()[0].hash, before[0].hash);
}

// Others wait meanwhile, and a disk may be slow.
TEST_F(CheckpointSamples, ShowThatTheyAreBeingRead) {
  int beats = 0;
  const HeartbeatScope scope(std::chrono::seconds(0), [&] { ++beats; });
  EXPECT_EQ(Samples().size(), 3u);
  EXPECT_GE(beats, 2);
}

TEST_F(CheckpointSamples, SeeTheBeginningAndTheEndOfALargeOne) {
  const auto before = Samples();
  Damage(kSmallBytes + 1);
  const auto after = Samples();
  EXPECT_NE(after[0].hash, before[0].hash);
  Damage(kSmallBytes + kLargeBytes);
  EXPECT_NE(Samples()[0].hash, after[0].hash);
  EXPECT_EQ(Samples()[2].hash, before[2].hash);
}

}  // namespace
}  // namespace lockstep
