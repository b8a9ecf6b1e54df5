// Sums that travel while the other half of a step's rows is computed, on real ranks: the same bits
// as sums that are waited for.
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/varied_requests.h"

namespace lockstep::testing {
namespace {

constexpr std::int64_t kOverlapRequests = 40;
constexpr RequestRoom kOverlapRoom{.context = 64, .vocab = 90};

class OverlappedSums : public MultiRank, public ::testing::WithParamInterface<const char*> {
 protected:
  struct Run {
    Reports reports;  // on rank 0
    std::int64_t sums = 0;
  };

  Run With(DecoderOptions::Sums sums) {
    GoldenModel model(SourceFolder() / "tests/golden/cases" / GetParam(), comm(), {.sums = sums});
    Run run;
    const std::int64_t before = model.all_reduce_count();
    if (rank() != 0) {
      RunWorker(model.decoder(), model.ranks());
    } else {
      // Long steps of many prompts, which go by halves, and short ones of new tokens.
      Engine engine(model.decoder(), model.ranks(),
                    {.max_sequences = 12, .max_step_tokens = 512, .end_tokens = {3}});
      run.reports = RunTogether(engine, kOverlapRequests, kOverlapRoom);
      engine.Shutdown();
    }
    run.sums = model.all_reduce_count() - before;
    return run;
  }
};

TEST_P(OverlappedSums, HaveTheBitsOfThoseThatAreAwaited) {
  const Run awaited = With(DecoderOptions::Sums::kAwaited);
  const Run overlapped = With(DecoderOptions::Sums::kBesideProducts);
  EXPECT_EQ(overlapped.reports, awaited.reports);
  if (size() == 1) {
    EXPECT_EQ(overlapped.sums, awaited.sums) << "one rank has nothing to wait for";
  } else {
    EXPECT_GT(overlapped.sums, awaited.sums) << "or no step went by halves";
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, OverlappedSums,
                         ::testing::Values("gptj_16_heads", "neox_12_heads_pythia_config",
                                           "neox_sequential_exact_gelu"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace lockstep::testing
