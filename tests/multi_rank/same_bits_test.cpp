// The bits of the logits on this world against those of one rank, prompts whole and in chunks.
#include <bit>
#include <cstdint>

#include "comm/self_communicator.h"
#include "partition/model/config_json.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/seeded_weights.h"

namespace lockstep::testing {
namespace {

struct Model {
  const char* name;  // of a golden case with heads for 8 ranks
  WeightFormat format;
};

void PrintTo(const Model& model, std::ostream* out) {
  *out << model.name << " in " << Name(model.format);
}

class SameBits : public MultiRank, public ::testing::WithParamInterface<Model> {
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
    std::size_t different = 0;
    for (std::size_t i = 0; i < alone.size(); ++i)
      different +=
          std::bit_cast<std::uint32_t>(together[i]) != std::bit_cast<std::uint32_t>(alone[i]);
    EXPECT_EQ(different, 0u) << "of " << alone.size() << " logits, in chunks of " << chunk;
  }
}

std::vector<Model> Models() {
  std::vector<Model> models;
  for (const char* name :
       {"gptj_12_heads_exact_gelu", "gptj_16_heads", "neox_12_heads_pythia_config",
        "neox_unit_rotary_pct_16_heads", "neox_sequential_exact_gelu", "gpt2_12_heads"})
    for (const WeightFormat format :
         {WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4})
      models.push_back({name, format});
  return models;
}

INSTANTIATE_TEST_SUITE_P(Ranks, SameBits, ::testing::ValuesIn(Models()), [](const auto& one) {
  return std::string(one.param.name) + "_" + std::string(Name(one.param.format));
});

}  // namespace
}  // namespace lockstep::testing
