// `lockstep plan` as a capacity planner: forecasts, goals, simulations, and machines fitted to what
// this program has measured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::string Config(const std::string& name) {
  return SourceFolder() / "configs" / (name + ".yaml");
}

Json JsonOf(const std::vector<std::string>& arguments) {
  const Outcome run = RunLockstep(arguments);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  return ParseJson(run.output, "plan");
}

TEST(PlanHere, SaysWhetherTheModelFitsOnThisHost) {
  const Outcome small = RunLockstep({"plan", Config("demo-neox")});
  EXPECT_EQ(small.exit_code, 0) << small.errors;
  EXPECT_THAT(small.output, HasSubstr("rank    heads"));
  EXPECT_THAT(small.output, testing::EndsWith(": fits\n"));
  // 12 GB in bf16 for each of 64 copies.
  const Json large = JsonOf({"plan", Config("aphra-6b"), "--dp", "64", "--json"});
  EXPECT_EQ(large["here"]["fits"], false);
  EXPECT_GT(large["here"]["need_bytes"].get<double>(), 64 * 12e9);
  EXPECT_EQ(large["parameters"]["total"], 6'050'882'784);
}

TEST(PlanForecast, PredictsMemoryAndTimes) {
  const std::vector<std::string> command{
      "plan", Config("aphra-6b"), "--machine", "h100", "--dtype", "bf16", "--tp",
      "2",    "--batch",          "8"};
  const Outcome run = RunLockstep(command);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.output, HasSubstr("EleutherAI/gpt-j-6b in bf16"));
  EXPECT_THAT(run.output, HasSubstr("on 8 x H100 80 GB SXM"));
  EXPECT_THAT(run.output, HasSubstr("memory bandwidth"));
  EXPECT_THAT(run.output, HasSubstr("of 79.00: fits"));
  std::vector<std::string> with_json = command;
  with_json.emplace_back("--json");
  const Json plan = JsonOf(with_json);
  EXPECT_EQ(plan["forecast"]["workload"]["batch"], 8);
  EXPECT_EQ(plan["ranks"].size(), 2u);
  EXPECT_GT(plan["forecast"]["tokens_per_second"]["in_all"].get<double>(), 100.0);
}

TEST(PlanForecast, CutsAModelIntoStagesOfGpus) {
  const auto plan = [](const std::string& tensor, const std::string& stages) {
    return JsonOf({"plan", Config("pythia-12b"), "--machine", "h100", "--dtype", "bf16", "--tp",
                   tensor, "--pp", stages, "--json"})["forecast"];
  };
  const Json whole = plan("2", "1"), staged = plan("2", "2");
  EXPECT_EQ(staged["layout"]["pp"], 2);
  EXPECT_LT(staged["memory"]["weight_bytes"].get<double>(),
            whole["memory"]["weight_bytes"].get<double>());
}

TEST(PlanForecast, KnowsThisHost) {
  const Json plan = JsonOf({"plan", Config("demo-neox"), "--machine", "here", "--json"});
  EXPECT_THAT(plan["forecast"]["machine"].get<std::string>(), HasSubstr("this host, as "));
  // Texts of half of a short context each.
  EXPECT_EQ(plan["forecast"]["memory"]["fits"], true);
}

TEST(PlanForecast, RefusesWhatDoesNotBelongTogether) {
  const auto error = [](const std::vector<std::string>& arguments) {
    const Outcome run = RunLockstep(arguments);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_EQ(run.output, "");
    return run.errors;
  };
  EXPECT_THAT(error({"plan", Config("aphra-6b"), "--machine", "h101"}),
              HasSubstr("the nearest is h100, all are a100, amx"));
  EXPECT_THAT(error({"plan", Config("pythia-70m"), "--machine", "h100"}),
              HasSubstr("GPUs compute in bf16, fp16, fp8, int8 or int4; use --dtype bf16"));
  EXPECT_THAT(error({"plan", Config("pythia-70m"), "--prompt-tokens", "2048"}),
              HasSubstr("past the model's context of 2048"));
  EXPECT_THAT(error({"plan", Config("pythia-70m"), "--goal", "soon"}),
              HasSubstr("not understood at \"soon\""));
}

TEST(PlanGoal, AnswersWithLayouts) {
  const std::vector<std::string> command{"plan", Config("aphra-6b"), "--machine",
                                         "h100", "--goal",           "50 tokens/s for 64 users"};
  const Outcome run = RunLockstep(command);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.output, HasSubstr("50.0 tokens/s for each of 64 texts of 128 + 128 tokens"));
  std::vector<std::string> with_json = command;
  for (const char* word : {"--dtype", "int8", "--json"}) with_json.emplace_back(word);
  const Json answer = JsonOf(with_json);
  ASSERT_FALSE(answer["layouts"].empty());
  for (const Json& layout : answer["layouts"]) {
    EXPECT_EQ(layout["dtype"], "int8");
    EXPECT_GE(layout["tokens_per_second_of_text"].get<double>(), 50.0);
  }
}

// However the command line says it; what a configuration says is searched.
TEST(PlanGoal, KeepsWhatTheCommandLineSays) {
  const auto layouts = [](const std::vector<std::string>& more) {
    std::vector<std::string> command{"plan",   Config("aphra-6b"),         "--machine", "h100",
                                     "--goal", "50 tokens/s for 64 users", "--json"};
    command.insert(command.end(), more.begin(), more.end());
    return JsonOf(command)["layouts"];
  };
  EXPECT_GT(layouts({}).size(), 2u);
  for (const Json& layout : layouts({"--set", "model.dtype=int8", "--set", "parallel.tp=4"})) {
    EXPECT_EQ(layout["dtype"], "int8");
    EXPECT_EQ(layout["tp"], 4);
  }
}

TEST(PlanSimulate, RunsManyRanks) {
  const Json result =
      JsonOf({"plan", Config("aphra-6b"), "--machine", "h100", "--dtype", "bf16", "--tp", "2",
              "--dp", "64", "--new-tokens", "8", "--simulate", "2000", "--rate", "2000", "--json"});
  EXPECT_EQ(result["requests"], 2000);
  EXPECT_EQ(result["dp"], 64);
  EXPECT_GT(result["tokens_per_second"].get<double>(), 0.0);
  EXPECT_LE(result["first_token_seconds"]["p50"], result["first_token_seconds"]["p99"]);
}

TEST(PlanFit, MakesAMachineOfWhatBenchHasMeasured) {
  const TemporaryFolder folder;
  const std::string model = SourceFolder() / "models/shakespeare-neox";
  const Outcome bench =
      RunLockstep({"bench", "batch", "--model", model, "--batch", "1,4,8", "--new-tokens", "4",
                   "--prompt-tokens", "8,64", "--rounds", "1", "--threads", "1", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.errors;
  WriteText(folder / "bench.json", bench.output);
  const std::string machine = folder / "mine.yaml";
  const std::string page = folder / "fit.html";
  const Outcome fit =
      RunLockstep({"plan", model, "--machine", "here", "--fit", (folder / "bench.json").string(),
                   "--fit-output", machine, "--html", page});
  ASSERT_EQ(fit.exit_code, 0) << fit.errors;
  EXPECT_THAT(fit.output, HasSubstr("batch fp32, 1 x 1, 8 x (64, 4)"));
  EXPECT_THAT(fit.output, HasSubstr("of each point by the others alone"));
  EXPECT_THAT(ReadFile(machine), HasSubstr("fitted to "));
  EXPECT_THAT(ReadFile(page), HasSubstr("</svg>"));
  const Json plan =
      JsonOf({"plan", model, "--machine", machine, "--threads", "1", "--batch", "4", "--json"});
  EXPECT_GT(plan["forecast"]["tokens_per_second"]["in_all"].get<double>(), 0.0);
}

// As other commands write theirs: what is no file is written to, never replaced by one.
TEST(PlanFit, WritesToAPipeAndRefusesOneFileForTwoThings) {
  const TemporaryFolder folder;
  const std::string result = folder / "comm.json", pipe = folder / "pipe";
  WriteText(result, R"({"ranks": 2, "cases": [
    {"benchmark": "comm", "bytes": 4096, "lockstep_us": {"median": 1.5}}]})");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const std::vector<std::string> command{"plan", Config("pythia-70m"), "--fit", result, "--machine",
                                         "avx2", "--fit-output"};
  const auto run = [&](const std::vector<std::string>& files) {
    std::vector<std::string> all = command;
    all.insert(all.end(), files.begin(), files.end());
    return RunLockstep(all);
  };
  const Outcome written = run({pipe});
  EXPECT_EQ(written.exit_code, 0) << written.errors;
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  std::string text(8192, '\0');
  const ssize_t size = ::read(reader, text.data(), text.size());
  ::close(reader);
  ASSERT_GT(size, 0);
  EXPECT_THAT(text, HasSubstr("fitted to "));

  EXPECT_THAT(run({"-"}).output, HasSubstr("fitted to "));
  const std::string both = folder / "both";
  const Outcome refused = run({both, "--html", both});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.output, "");
  EXPECT_THAT(refused.errors, HasSubstr("two results would be written to it"));
}

TEST(PlanFit, RefusesWhatIsNoResult) {
  const TemporaryFolder folder;
  WriteText(folder / "r.json", "{}");
  const Outcome run =
      RunLockstep({"plan", Config("pythia-70m"), "--fit", (folder / "r.json").string()});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("r.json: a list of cases is missing"));
}

}  // namespace
}  // namespace lockstep
