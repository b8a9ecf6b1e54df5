// The bits of the logits on this world against those of one rank, prompts whole and in chunks.
#include "comm/self_communicator.h"
#include "partition/model/config_json.h"
#include "tests/multi_rank/bits_case.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/seeded_weights.h"

namespace lockstep::testing {
namespace {

class SameBits : public MultiRank, public ::testing::WithParamInterface<BitsCase> {
 protected:
  void SetUp() override {
    for (const std::filesystem::path& folder : GoldenCases())
      if (folder.filename() == GetParam().name) folder_ = folder;
    ASSERT_FALSE(folder_.empty()) << "no golden case " << GetParam().name;
    for (const GoldenPrompt& prompt : LoadGoldenCase(folder_).prompts)
      if (prompt.tokens.size() > tokens_.size()) tokens_ = prompt.tokens;
    for (std::int64_t row = 0; row < static_cast<std::int64_t>(tokens_.size()); ++row)
      rows_.push_back(row);
  }

  std::vector<float> Logits(Communicator& communicator, std::int64_t chunk) {
    GoldenModel model(folder_, communicator, {.dtype = GetParam().format, .threads = 2});
    return model.Logits(tokens_, rows_, chunk);
  }

  std::filesystem::path folder_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int64_t> rows_;
};

TEST_P(SameBits, OnOneRankAndOnMany) {
  std::vector<float> alone;
  if (rank() == 0) {
    SelfCommunicator self;
    alone = Logits(self, 1 << 20);
    ASSERT_FALSE(alone.empty());
  }
  for (const std::int64_t chunk : {1 << 20, 1, 16, 100}) {
    const std::vector<float> together = Logits(comm(), chunk);
    if (rank() != 0) continue;
    ASSERT_EQ(together.size(), alone.size());
    EXPECT_EQ(CountOfOtherBits(together, alone), 0u)
        << "of " << alone.size() << " logits, in chunks of " << chunk;
  }
}

std::vector<BitsCase> Models() {
  std::vector<BitsCase> models;
  for (const char* name :
       {"gptj_12_heads_exact_gelu", "gptj_16_heads", "neox_12_heads_pythia_config",
        "neox_unit_rotary_pct_16_heads", "neox_sequential_exact_gelu", "gpt2_12_heads"})
    for (const WeightFormat format :
         {WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4})
      models.push_back({name, format});
  return models;
}

INSTANTIATE_TEST_SUITE_P(Ranks, SameBits, ::testing::ValuesIn(Models()),
                         [](const auto& one) { return NameOf(one.param); });

}  // namespace
}  // namespace lockstep::testing
