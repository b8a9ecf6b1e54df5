// The whole model over the ranks of this world against transformers, every golden case.
#include "tests/support/golden/golden_model.h"

#include "partition/model/config_json.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/seeded_weights.h"

namespace lockstep::testing {
namespace {

class Golden : public MultiRank, public ::testing::WithParamInterface<std::filesystem::path> {
 protected:
  // Models with fewer heads than this world has ranks must be refused on every rank alike.
  void ExpectMatch(const GoldenSetup& setup) {
    if (LoadModelSpec(GetParam()).head_count >= size()) {
      ExpectGolden(LoadGoldenCase(GetParam()), comm(), setup);
    } else {
      EXPECT_THROW(GoldenModel(GetParam(), comm(), setup), Error);
    }
  }
};

TEST_P(Golden, MatchesTransformersInFp32) { ExpectMatch({.chunk = 40}); }

TEST_P(Golden, IsAsCloseInBf16AsTransformersIs) { ExpectMatch({.dtype = WeightFormat::kBF16}); }

INSTANTIATE_TEST_SUITE_P(Transformers, Golden, ::testing::ValuesIn(GoldenCases()),
                         [](const auto& one) { return one.param.filename().string(); });

}  // namespace
}  // namespace lockstep::testing
