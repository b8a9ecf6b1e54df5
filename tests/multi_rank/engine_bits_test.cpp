// Every request through the engine of this world against its solo run on one rank: the same bits
// with and without the prefix cache, with preemptions, in any chunks, beside any others.
#include "comm/self_communicator.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/varied_requests.h"

namespace lockstep::testing {
namespace {

constexpr std::int64_t kRequests = 40;
constexpr RequestRoom kRoom{.context = 64, .vocab = 90};

class EngineBits : public MultiRank, public ::testing::WithParamInterface<const char*> {
 protected:
  std::filesystem::path folder() const {
    return SourceFolder() / "tests/golden/cases" / GetParam();
  }

  Reports Alone() const {
    SelfCommunicator self;
    GoldenModel model(folder(), self, {});
    return RunAlone(model.decoder(), self, {.count = kRequests, .ending = 3, .hidden_layer = 2},
                    kRoom);
  }

  // All requests together on this world; nothing on ranks other than 0.
  Reports Together(GoldenModel& model, const EngineOptions& options, SchedulerCounts& counts) {
    if (rank() != 0) {
      RunWorker(model.decoder(), comm());
      return {};
    }
    Engine engine(model.decoder(), comm(), options);
    const Reports reports = RunTogether(engine, kRequests, kRoom);
    counts.preemptions += engine.status().counts.preemptions;
    counts.prefix_hits += engine.status().counts.prefix_hits;
    engine.Shutdown();
    return reports;
  }
};

TEST_P(EngineBits, AreThoseOfEachRequestAlone) {
  const Reports alone = rank() == 0 ? Alone() : Reports{};
  GoldenModel model(folder(), comm(), {.cache_pages = 2 * KvCache::PagesFor(kRoom.context) + 1});
  SchedulerCounts counts;
  for (const std::int64_t step_tokens : {7, 512})
    for (const PrefixCache prefix_cache : {PrefixCache::kOff, PrefixCache::kOn}) {
      const Reports together = Together(model,
                                        {.max_sequences = 5,
                                         .max_step_tokens = step_tokens,
                                         .prefix_cache = prefix_cache,
                                         .end_tokens = {3},
                                         .hidden_layer = 2},
                                        counts);
      if (rank() == 0) {
        EXPECT_EQ(together.size(), alone.size());
      }
      for (const auto& [id, report] : together)
        EXPECT_EQ(report, alone.at(id)) << "request " << id << ", " << step_tokens << " tokens";
    }
  if (rank() != 0) return;
  EXPECT_GT(counts.preemptions, 0) << "or the pages were not scarce";
  EXPECT_GT(counts.prefix_hits, 0) << "or nothing was shared";
}

INSTANTIATE_TEST_SUITE_P(Ranks, EngineBits,
                         ::testing::Values("gptj_16_heads", "neox_12_heads_pythia_config"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace lockstep::testing
