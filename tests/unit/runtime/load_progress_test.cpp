#include "runtime/progress/load_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/progress/terminal.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(LoadText, HasBytesSpeedAndTheTimeThatIsLeft) {
  EXPECT_EQ(LoadText(4e9, 0.25, 0.0), "loading 1.0 of 4.0 GB");
  EXPECT_EQ(LoadText(4e9, 0.25, 0.5e9), "loading 1.0 of 4.0 GB, 0.5 GB/s, 6 s left");
  EXPECT_EQ(LoadText(8e6, 0.5, 2e6), "loading 4 of 8 MB, 2 MB/s, 2 s left");
  EXPECT_EQ(LoadText(4e9, 1.0, 0.5e9), "loading 4.0 of 4.0 GB, 0.5 GB/s");
}

HostMap FourRanksOnTwoHosts() {
  return HostMap({{.name = "node1"}, {.name = "node1"}, {.name = "node2"}, {.name = "node2"}});
}

TEST(LoadText, NamesTheSlowestHostIn80Columns) {
  EXPECT_EQ(LoadText(4e9, 1.0, 0.0, SlowestHost{"node2", 0.314}),
            "loading 4.0 of 4.0 GB; slowest: node2, 31 %");
  EXPECT_LE(LoadText(4000e9, 0.01, 12.3e9, SlowestHost{"gpu-node-0123", 0.99}).size(), 80u);
}

TEST(SlowestOf, IsTheHostWhoseRanksHaveLeast) {
  const HostMap hosts = FourRanksOnTwoHosts();
  const auto slowest = SlowestOf(hosts, std::vector{0.2, 0.8, 0.1, 0.3});
  ASSERT_TRUE(slowest);
  EXPECT_EQ(slowest->name, "node2");
  EXPECT_DOUBLE_EQ(slowest->share, 0.2);
  EXPECT_EQ(SlowestOf(hosts, std::vector{0.2, 0.3, 0.4, 0.3})->name, "node1");
  EXPECT_FALSE(SlowestOf(hosts.Select(std::vector{0, 1}), std::vector{0.2, 0.3}));
}

TEST(LoadingLine, GoesOnUntilAllHostsHaveTheirs) {
  std::vector<std::string> shown;
  LoadingLine report(
      {.sink = [&](std::string_view text) { shown.emplace_back(text); }, .terminal_period = {}},
      8e6);
  const HostMap hosts = FourRanksOnTwoHosts();
  EXPECT_EQ(report.share(), 0.0);
  report.NoteRanks(hosts, std::vector{0.0, 0.0, 0.0, 0.0});
  EXPECT_TRUE(shown.empty()) << "its own part is the measure";
  report.Note(1, 2);
  EXPECT_EQ(report.share(), 0.5);
  EXPECT_THAT(shown.back(), HasSubstr("loading 4 of 8 MB"));
  EXPECT_THAT(shown.back(), HasSubstr("; slowest: node1, 0 %"));
  report.Note(2, 2);
  report.NoteRanks(hosts, std::vector{1.0, 1.0, 0.5, 0.5});
  EXPECT_THAT(shown.back(), HasSubstr("loading 6 of 8 MB; slowest: node2, 50 %"));
  report.NoteRanks(hosts, std::vector{1.0, 1.0, 1.0, 1.0});
  EXPECT_THAT(shown.back(), testing::Not(HasSubstr("loading")));
}

TEST(LoadingLine, IsALineThatIsTakenAwayAtTheEnd) {
  std::string shown;
  LoadingLine report({.sink = [&](std::string_view text) { shown += text; }, .terminal_period = {}},
                     2e9);
  report.Note(1, 2);
  EXPECT_TRUE(shown.starts_with("\r\x1b[Klockstep: loading 1.0 of 2.0 GB")) << shown;
  report.Note(2, 2);
  EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << shown;
}

TEST(MovingRate, ForgetsWhatWasBeforeTheWindow) {
  MovingRate rate(10.0);
  EXPECT_EQ(rate.per_second(), 0.0);
  rate.Add(0.0, 0.0);
  EXPECT_EQ(rate.per_second(), 0.0);
  rate.Add(5.0, 500.0);
  EXPECT_DOUBLE_EQ(rate.per_second(), 100.0);
  for (double second = 6.0; second <= 30.0; ++second) rate.Add(second, 500.0 + (second - 5.0));
  EXPECT_DOUBLE_EQ(rate.per_second(), 1.0);
}

TEST(MovingRate, IsRightHoweverOftenItIsAsked) {
  MovingRate rate(10.0);
  for (int i = 0; i <= 100'000; ++i) rate.Add(1e-3 * i, 2e-3 * i);
  EXPECT_NEAR(rate.per_second(), 2.0, 1e-9);
}

TEST(FittingLine, LeavesTheLastColumnFree) {
  EXPECT_EQ(FittingLine("lockstep", 80), "lockstep");
  EXPECT_EQ(FittingLine("lockstep", 8), "lockste");
  EXPECT_EQ(FittingLine("lockstep", 9), "lockstep");
}

}  // namespace
}  // namespace lockstep
