#include "planning/time/layout.h"

#include <gmock/gmock.h>

#include "tests/support/message_of.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::pair<LinkLevel, std::int64_t>> HopsOf(const RankShare& share) {
  std::vector<std::pair<LinkLevel, std::int64_t>> hops;
  for (const Hop& hop : share.hops) hops.emplace_back(hop.level, hop.participants);
  return hops;
}

TEST(ShareOf, GivesOneRankAWholeHost) {
  const RankShare share = ShareOf(RoundHost(), {});
  EXPECT_EQ(share.units, 8);
  EXPECT_EQ(share.nodes, 1);
  EXPECT_DOUBLE_EQ(share.bandwidth, 80e9);  // of both sockets
  EXPECT_DOUBLE_EQ(share.memory_bytes, 200e9);
  EXPECT_TRUE(share.hops.empty());
}

TEST(ShareOf, DividesAHostAmongItsRanks) {
  const RankShare share = ShareOf(RoundHost(), {.tp = 8});
  EXPECT_EQ(share.units, 1);
  EXPECT_DOUBLE_EQ(share.bandwidth, 10e9);  // a quarter of a socket's
  EXPECT_DOUBLE_EQ(share.memory_bytes, 25e9);
  EXPECT_THAT(HopsOf(share), testing::ElementsAre(std::pair(LinkLevel::kCores, 4),
                                                  std::pair(LinkLevel::kSockets, 2)));
}

TEST(ShareOf, GivesNoRankMoreThanItsCoresCanRead) {
  EXPECT_DOUBLE_EQ(ShareOf(RoundHost(), {.tp = 1, .threads = 1}).bandwidth, 20e9);
  EXPECT_DOUBLE_EQ(ShareOf(RoundHost(), {.tp = 2, .threads = 1}).bandwidth, 20e9);
  EXPECT_DOUBLE_EQ(ShareOf(RoundHost(), {.tp = 4, .threads = 1}).bandwidth, 20e9);
}

// Copies do not add up with each other, but read the same memory.
TEST(ShareOf, CountsTheRanksOfAllCopies) {
  const RankShare share = ShareOf(RoundHost(), {.tp = 2, .dp = 4, .threads = 1});
  EXPECT_DOUBLE_EQ(share.bandwidth, 10e9);
  EXPECT_THAT(HopsOf(share), testing::ElementsAre(std::pair(LinkLevel::kCores, 2)));
  EXPECT_EQ(share.units_in_use({.tp = 2, .dp = 4}), 8);
}

TEST(ShareOf, GoesOnToTheNextNode) {
  const RankShare share = ShareOf(RoundHost(), {.tp = 16, .threads = 1});
  EXPECT_EQ(share.nodes, 2);
  EXPECT_EQ(share.ranks_per_node, 8);
  EXPECT_THAT(HopsOf(share), testing::ElementsAre(std::pair(LinkLevel::kCores, 4),
                                                  std::pair(LinkLevel::kSockets, 2),
                                                  std::pair(LinkLevel::kNetwork, 2)));
  const RankShare gpus = ShareOf(RoundGpus(), {.tp = 8});
  EXPECT_EQ(gpus.nodes, 2);
  EXPECT_DOUBLE_EQ(gpus.memory_bytes, 80e9);
  EXPECT_THAT(HopsOf(gpus), testing::ElementsAre(std::pair(LinkLevel::kNvlink, 4),
                                                 std::pair(LinkLevel::kNetwork, 2)));
}

// Copies of three ranks do not fill nodes or sockets of four: the second one is on two of them.
TEST(ShareOf, CountsTheCopyThatIsOnTwoNodesOrSockets) {
  const RankShare gpus = ShareOf(RoundGpus(), {.tp = 3, .dp = 2});
  EXPECT_THAT(HopsOf(gpus), testing::ElementsAre(std::pair(LinkLevel::kNvlink, 3),
                                                 std::pair(LinkLevel::kNetwork, 2)));
  EXPECT_THAT(HopsOf(ShareOf(RoundGpus(), {.tp = 3})),
              testing::ElementsAre(std::pair(LinkLevel::kNvlink, 3)));
  const RankShare host = ShareOf(RoundHost(), {.tp = 3, .dp = 2, .threads = 1});
  EXPECT_THAT(HopsOf(host), testing::ElementsAre(std::pair(LinkLevel::kCores, 3)));
  const RankShare nodes = ShareOf(RoundHost(), {.tp = 3, .dp = 5, .threads = 1});
  EXPECT_THAT(HopsOf(nodes), testing::ElementsAre(std::pair(LinkLevel::kCores, 3),
                                                  std::pair(LinkLevel::kSockets, 2),
                                                  std::pair(LinkLevel::kNetwork, 2)));
}

// Sums stay in a stage; what all of a copy are told goes as far as the copy does.
TEST(ShareOf, KeepsTheSumsOfStagesOnTheirNodes) {
  const RankShare share = ShareOf(RoundHost(), {.tp = 8, .pp = 2, .threads = 1});
  EXPECT_THAT(HopsOf(share), testing::ElementsAre(std::pair(LinkLevel::kCores, 4),
                                                  std::pair(LinkLevel::kSockets, 2)));
  ASSERT_EQ(share.messages.size(), 3u);
  EXPECT_EQ(share.messages.back().level, LinkLevel::kNetwork);
  EXPECT_DOUBLE_EQ(MessageSeconds(share), 2e-6 + 2e-6 + 10e-6);
  // Each of the eight ranks of a stage sends its slice.
  const Link network = *RoundHost().link(LinkLevel::kNetwork);
  EXPECT_DOUBLE_EQ(TransferSeconds(share, 1e6), network.latency + 1e6 / network.bandwidth);
  // Where a stage is on two nodes, each of its five ranks is sent all of it.
  const RankShare wide = ShareOf(RoundHost(), {.tp = 5, .pp = 2, .threads = 1});
  EXPECT_DOUBLE_EQ(TransferSeconds(wide, 1e6), network.latency + 5e6 / network.bandwidth);
  EXPECT_EQ(TransferSeconds(ShareOf(RoundHost(), {.tp = 2}), 1e6), 0.0);
}

TEST(ShareOf, KnowsTheSlowestLinkBetweenStages) {
  const auto next = [](const Layout& layout) { return *ShareOf(RoundHost(), layout).next_stage; };
  const auto link = [](LinkLevel level) { return *RoundHost().link(level); };
  EXPECT_EQ(next({.tp = 1, .pp = 2, .dp = 4, .threads = 1}), link(LinkLevel::kCores));
  EXPECT_EQ(next({.tp = 1, .pp = 8, .threads = 1}), link(LinkLevel::kSockets));
  EXPECT_EQ(next({.tp = 1, .pp = 2, .threads = 8}), link(LinkLevel::kNetwork));
  EXPECT_EQ(next({.tp = 1, .pp = 3, .dp = 3, .threads = 1}), link(LinkLevel::kNetwork))
      << "of the third copy";
}

// Through the memory of their hosts, and over the network between these.
TEST(ShareOf, LeadsFromStageToStageOfGpusThroughTheirHosts) {
  const RankShare near = ShareOf(RoundGpus(), {.tp = 2, .pp = 2});
  EXPECT_EQ(*near.next_stage, (Link{30e-6, 5e9}));
  EXPECT_THAT(HopsOf(near), testing::ElementsAre(std::pair(LinkLevel::kNvlink, 2)));
  const RankShare far = ShareOf(RoundGpus(), {.tp = 4, .pp = 2});
  EXPECT_DOUBLE_EQ(TransferSeconds(far, 1e6), 30e-6 + 20e-6 + 1e6 / 5e9 + 1e6 / 10e9);
  EXPECT_THAT(HopsOf(far), testing::ElementsAre(std::pair(LinkLevel::kNvlink, 4)));
}

TEST(ShareOf, RefusesStagesOfGpusWhereNobodyHasSaidHowFastTheirHostsAre) {
  Machine machine = RoundGpus();
  machine.link(LinkLevel::kHost).reset();
  EXPECT_EQ(MessageOf([&] { ShareOf(machine, {.tp = 2, .pp = 2}); }),
            "plan: --pp 2 on round GPUs: stages pass on their activations through the host's "
            "memory, and how fast that is nobody has said; give links.host.latency_us and "
            "links.host.gb_s");
}

TEST(ShareOf, RefusesWhatIsTooLarge) {
  EXPECT_EQ(MessageOf([] { ShareOf(RoundHost(), {.tp = 17, .threads = 1}); }),
            "plan: 17 ranks of 1 core on round host: there is room for 16; lower --tp, --dp or "
            "--threads");
  EXPECT_THAT(MessageOf([] { ShareOf(RoundHost(), {.threads = 9}); }),
              HasSubstr("a rank of 9 cores on round host, whose nodes have 8"));
  EXPECT_THAT(MessageOf([] { ShareOf(RoundGpus(), {.tp = 3, .dp = 3}); }), HasSubstr("room for 8"));
}

TEST(ShareOf, RefusesAFormatThatIsNotComputedThere) {
  EXPECT_EQ(
      MessageOf([] { ShareOf(RoundGpus(), {.format = WeightFormat::kF32}); }),
      "plan: fp32 on round GPUs: GPUs compute in bf16, fp16, fp8, int8 or int4; use --dtype bf16");
  EXPECT_THAT(MessageOf([] { ShareOf(RoundHost(), {.format = WeightFormat::kF16}); }),
              HasSubstr("only GPUs compute in fp16"));
  EXPECT_THAT(MessageOf([] { ShareOf(RoundHost(), {.format = WeightFormat::kF8}); }),
              HasSubstr("only GPUs compute in fp8"));
  Machine older = RoundGpus();
  older.arithmetic[WeightFormat::kF8] = 0.0;
  ShareOf(older, {.format = WeightFormat::kInt8});
  EXPECT_THAT(MessageOf([&] { ShareOf(older, {.format = WeightFormat::kF8}); }),
              AllOf(HasSubstr("fp8 on round GPUs: arithmetic.fp8 is 0 or not given there"),
                    HasSubstr("use --dtype int8 or bf16")));
}

TEST(ReduceSeconds, AddsUpTheLevels) {
  const RankShare share = ShareOf(RoundHost(), {.tp = 16, .threads = 1});
  // Two rounds among four cores, one between two sockets, one between two nodes.
  EXPECT_DOUBLE_EQ(ReduceSeconds(share, 0.0), 2e-6 + 2e-6 + 10e-6);
  const double bytes = 1e6;
  EXPECT_DOUBLE_EQ(ReduceSeconds(share, bytes) - ReduceSeconds(share, 0.0),
                   1.5 * bytes / 10e9 + bytes / 5e9 + bytes / 1e9);
  EXPECT_EQ(ReduceSeconds(ShareOf(RoundHost(), {}), bytes), 0.0);
}

}  // namespace
}  // namespace lockstep
