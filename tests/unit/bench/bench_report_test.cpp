#include "bench/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "core/json.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(SpreadOf, IsTheMiddleAndTheRange) {
  const Spread odd = SpreadOf({3.0, 9.0, 1.0});
  EXPECT_EQ(odd.median, 3.0);
  EXPECT_EQ(odd.least, 1.0);
  EXPECT_EQ(odd.most, 9.0);
  EXPECT_EQ(SpreadOf({4.0, 1.0, 2.0, 9.0}).median, 3.0);
  EXPECT_EQ(SpreadOf({5.0}).median, 5.0);
  EXPECT_EQ(SpreadOf({}).median, 0.0);
}

BenchReport AReport() {
  BenchReport report;
  report.kind = BenchKind::kBatch;
  report.model = "m";
  report.weights = "random";
  report.dtype = "bf16";
  report.ranks = 2;
  report.ceilings = {{.name = "read bandwidth", .unit = "GB/s", .samples = {20.0, 30.0}}};
  report.cases = {{.what = {.sequences = 8, .prompt_tokens = 16, .new_tokens = 4},
                   .tokens_per_second = {10.0, 30.0, 20.0},
                   .cost = {.weight_bytes = 64e6, .cache_bytes = 32e6, .multiply_adds = 320e6},
                   .tokens = 32,
                   .shares = {{"read bandwidth", {0.5, 0.7, 0.6}}}}};
  report.weight_bytes = {3e6, 2e6};
  report.peak_memory_bytes = {5e6, 4e6};
  return report;
}

TEST(BenchJson, HasTheFieldsThatScriptsRelyOn) {
  const Json json = ParseJson(BenchJson(AReport()), "json");
  EXPECT_EQ(json["ranks"], 2);
  EXPECT_EQ(json["ceilings"][0]["median"], 25.0);
  EXPECT_EQ(json["ceilings"][0]["unit"], "GB/s");
  const Json& one = json["cases"][0];
  EXPECT_EQ(one["benchmark"], "batch");
  EXPECT_EQ(one["tokens_per_second"]["median"], 20.0);
  EXPECT_EQ(one["tokens_per_second"]["rounds"], (Json{10.0, 30.0, 20.0}));
  EXPECT_EQ(one["per_token"]["weight_bytes"], 2e6);
  EXPECT_EQ(one["per_token"]["cache_bytes"], 1e6);
  EXPECT_EQ(one["per_token"]["multiply_adds"], 1e7);
  EXPECT_EQ(one["of_ceilings"][0]["ceiling"], "read bandwidth");
  EXPECT_EQ(one["of_ceilings"][0]["median"], 0.6);
  EXPECT_EQ(json["peak_memory_bytes"], (Json{5e6, 4e6}));
}

TEST(BenchText, SaysTheSameInWords) {
  const std::string text = BenchText(AReport());
  for (const char* part :
       {"m, random weights, bf16; 2 ranks of 1 thread", "25.0  (20.0 to 30.0) GB/s",
        "batch, 8 sequences, prompt 16, 4 new tokens", "20.00  (10.00 to 30.00)",
        "60.0  (50.0 to 70.0)", "2.00 MB of weights, 1.000 MB of keys and values, 10.0 M",
        "MB of weights per rank: 3.0, 2.0; peak memory: 5.0, 4.0"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(CommReport, ComparesRoundByRound) {
  const CommReport report{.ranks = 2,
                          .spins = false,
                          .cases = {{.bytes = 4096,
                                     .lockstep_us = {1.0, 2.0, 4.0},
                                     .mpi_us = {8.0, 20.0, 28.0},
                                     .in_step_us = {2.0, 3.0, 4.0}}}};
  const Json json = ParseJson(CommJson(report), "json");
  EXPECT_EQ(json["cases"][0]["mpi_over_lockstep"]["rounds"], (Json{8.0, 10.0, 7.0}));
  EXPECT_EQ(json["cases"][0]["mpi_over_lockstep"]["median"], 8.0);
  EXPECT_THAT(CommText(report), HasSubstr("8.00 (7.00 to 10.00)"));
  EXPECT_EQ(json["cases"][0]["in_step_us"]["median"], 3.0);
  EXPECT_EQ(json["waiting"], "yields");
  EXPECT_THAT(CommText(report), HasSubstr("who waits does not spin"));
  std::istringstream lines(CommText(report));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

}  // namespace
}  // namespace lockstep
