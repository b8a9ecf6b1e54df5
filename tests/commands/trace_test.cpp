// --trace of the commands that run ranks, and `lockstep trace`: what a viewer would build of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <set>
#include <thread>

#include "core/files/file.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"
#include "tests/support/trace_tracks.h"
#include "tiny_model.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using Words = std::vector<std::string>;

class ATrace : public testing::Test {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
    WriteText(config_, kTinyModel);
  }

  static std::string Model() { return (SourceFolder() / "models/shakespeare-neox").string(); }

  Words Generate(Words more) const {
    Words words{"generate",         "--model",   Model(), "--input", input_, "--output",
                folder_ / "out",    "--threads", "1",     "--trace", file_,  "--ignore-eos",
                "--max-new-tokens", "6"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  void WriteLines(int count) const {
    std::string lines;
    for (int i = 0; i < count; ++i) lines += "{\"prompt\": \"To be\"}\n";
    WriteText(input_, lines);
  }
  // Of a job that has not ended.
  std::string Partial() const { return folder_ / "out.partial"; }

  TraceTracks Tracks(const std::string& file) const {
    TraceTracks tracks = TracksOf(ReadFile(file));
    EXPECT_THAT(tracks.faults, IsEmpty());
    return tracks;
  }
  TraceTracks Tracks() const { return Tracks(file_); }

  TemporaryFolder folder_;
  std::string config_ = folder_ / "tiny.yaml";
  std::string input_ = folder_ / "in.jsonl";
  std::string file_ = folder_ / "trace.json";
};

std::set<std::string> NamesOf(const std::vector<TraceSlice>& track) {
  std::set<std::string> names;
  for (const TraceSlice& slice : track) names.insert(slice.name);
  return names;
}

std::vector<std::int64_t> StepsOf(const std::vector<TraceSlice>& track) {
  std::vector<std::int64_t> steps;
  for (const TraceSlice& slice : track)
    if (slice.name == "step") steps.push_back(slice.args.at("step").get<std::int64_t>());
  return steps;
}

void ExpectWholeLife(const std::vector<TraceSlice>& life, std::int64_t new_tokens) {
  ASSERT_EQ(life.size(), 4u);
  EXPECT_THAT(life[0].name, HasSubstr("request "));
  EXPECT_GT(life[0].args.at("prompt_tokens").get<std::int64_t>(), 0);
  EXPECT_EQ(life[0].args.at("new_tokens"), new_tokens);
  EXPECT_EQ(life[1].name, "queued");
  EXPECT_EQ(life[2].name, "prompt");
  EXPECT_EQ(life[3].name, "decoding");
  EXPECT_EQ(life[1].begin, life[0].begin);
  EXPECT_EQ(life[3].end, life[0].end);
}

TEST_F(ATrace, HasTheStepsOfAllRanksAndTheRequests) {
  WriteText(input_, "{\"prompt\": \"To be\"}\n{\"prompt\": \"ROMEO:\"}\n{\"prompt\": \"O\"}\n");
  const Outcome run = RunLockstep(Generate({"--tp", "2"}));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr(file_ + ": a trace of "));
  const TraceTracks tracks = Tracks();
  ASSERT_EQ(tracks.ranks.size(), 2u);
  EXPECT_EQ(tracks.about.at("clock_bound_us"), 0.0) << "one host has one clock";
  const auto& first = tracks.ranks.begin()->second;
  const auto& second = tracks.ranks.rbegin()->second;
  EXPECT_THAT(tracks.ranks.begin()->first, HasSubstr("rank 0 on "));
  EXPECT_THAT(NamesOf(first), IsSupersetOf({"step", "plan", "broadcast", "products", "attention",
                                            "all-reduce", "gather", "sampling"}));
  EXPECT_THAT(NamesOf(second),
              IsSupersetOf({"step", "broadcast", "products", "attention", "all-reduce"}));
  EXPECT_GT(NamesOf(first).count("waiting") + NamesOf(second).count("waiting"), 0u);
  EXPECT_FALSE(StepsOf(first).empty());
  EXPECT_EQ(StepsOf(first), StepsOf(second));
  for (const auto& [name, track] : tracks.ranks)
    for (const TraceSlice& slice : track) {
      if (slice.name == "products" || slice.name == "attention") {
        ASSERT_GE(slice.parent, 0) << name;
        EXPECT_EQ(track[static_cast<std::size_t>(slice.parent)].name, "step") << name;
      }
    }
  ASSERT_EQ(tracks.requests.size(), 3u);
  for (const auto& [id, life] : tracks.requests) ExpectWholeLife(life, 6);
}

// Both ranks are in a sum when it ends: on one clock their sums end at almost the same time, and
// never does one end before the other has begun it.
TEST_F(ATrace, HasItsRanksOnOneClock) {
  WriteText(input_, "{\"prompt\": \"To be\"}\n");
  ASSERT_EQ(RunLockstep(Generate({"--tp", "2"})).exit_code, 0);
  const TraceTracks tracks = Tracks();
  const auto sums = [](const std::vector<TraceSlice>& track) {
    std::vector<TraceSlice> found;
    for (const TraceSlice& slice : track)
      if (slice.name == "all-reduce") found.push_back(slice);
    return found;
  };
  const auto first = sums(tracks.ranks.begin()->second);
  const auto second = sums(tracks.ranks.rbegin()->second);
  ASSERT_FALSE(first.empty());
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_LT(first[i].begin, second[i].end);
    EXPECT_LT(second[i].begin, first[i].end);
  }
}

TEST_F(ATrace, IsSummedUpAsItIsAsked) {
  WriteText(input_, "{\"prompt\": \"To be\"}\n{\"prompt\": \"O\"}\n");
  ASSERT_EQ(RunLockstep(Generate({"--tp", "2"})).exit_code, 0);
  const Outcome text = RunLockstep({"trace", file_});
  EXPECT_EQ(text.exit_code, 0) << text.errors;
  EXPECT_THAT(text.output, HasSubstr("on 2 ranks"));
  EXPECT_THAT(text.output, HasSubstr("share of the steps' time"));
  EXPECT_THAT(text.output, HasSubstr("2 requests; medians: queued "));
  const Outcome run = RunLockstep({"trace", file_, "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  const Json json = ParseJson(run.output, "summary");
  const TraceTracks tracks = Tracks();
  ASSERT_EQ(json["ranks"].size(), 2u);
  for (const Json& rank : json["ranks"]) {
    const auto& track = tracks.ranks.at(rank["name"].get<std::string>());
    double sum = 0.0;
    for (const auto& [phase, seconds] : rank["seconds"].items()) {
      sum += seconds.get<double>();
      if (phase != "other") {
        EXPECT_NEAR(seconds.get<double>() / rank["step_seconds"].get<double>(),
                    ShareOfSteps(track, phase), 1e-6)
            << phase;
      }
    }
    EXPECT_NEAR(sum, rank["step_seconds"].get<double>(), 1e-9);
  }
}

TEST_F(ATrace, HasTheRequestsOfAllGroups) {
  WriteLines(12);
  const Outcome run = RunLockstep(Generate({"--dp", "2", "--set", "engine.max_sequences=2"}));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const TraceTracks tracks = Tracks();
  EXPECT_EQ(tracks.ranks.size(), 2u);
  EXPECT_EQ(tracks.requests.size(), 12u);
  for (const auto& [id, life] : tracks.requests) ExpectWholeLife(life, 6);
}

TEST_F(ATrace, IsWrittenByScoreAndBenchToo) {
  WriteText(input_, "{\"text\": \"To be, or not to be\"}\n");
  Outcome run = RunLockstep(
      {"score", "--model", Model(), "--input", input_, "--threads", "1", "--trace", file_});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  TraceTracks tracks = Tracks();
  EXPECT_EQ(tracks.ranks.size(), 1u);
  ASSERT_EQ(tracks.requests.size(), 1u);
  EXPECT_EQ(tracks.requests.begin()->second.back().name, "prompt") << "nothing is decoded";
  run = RunLockstep({"bench", "decode", "--model", config_, "--threads", "1", "--rounds", "2",
                     "--prompt-tokens", "3", "--new-tokens", "4", "--tp", "2", "--trace", file_});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  tracks = Tracks();
  EXPECT_EQ(tracks.ranks.size(), 2u);
  EXPECT_EQ(tracks.requests.size(), 3u) << "one to warm up, and two rounds";
  run = RunLockstep({"bench", "scaling", "--model", config_, "--threads", "1", "--rounds", "2",
                     "--prompt-tokens", "3", "--new-tokens", "4", "--ranks", "1,2", "--trace",
                     folder_ / "scaling.json"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(Tracks(folder_ / "scaling.1ranks-fp32.json").ranks.size(), 1u);
  EXPECT_EQ(Tracks(folder_ / "scaling.2ranks-fp32.json").ranks.size(), 2u);
}

TEST_F(ATrace, IsWrittenByAServerThatIsToldToStop) {
  RunningServer server({"--model", Model(), "--threads", "1", "--tp", "2", "--trace", file_});
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&server] {
      const HttpReply reply = server.Post(
          "/v1/completions", R"({"prompt": "ROMEO:", "max_tokens": 12, "ignore_eos": true})");
      EXPECT_EQ(reply.status, 200) << reply.body;
    });
  for (std::thread& client : clients) client.join();
  EXPECT_FALSE(FileExists(file_)) << "it is not complete";
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.errors();
  const TraceTracks tracks = Tracks();
  EXPECT_EQ(tracks.ranks.size(), 2u);
  EXPECT_EQ(tracks.requests.size(), 4u);
  for (const auto& [id, life] : tracks.requests) ExpectWholeLife(life, 12);
}

TEST_F(ATrace, OfAServerIsThatOfEachGroup) {
  RunningServer server({"--model", Model(), "--threads", "1", "--dp", "2", "--trace", file_});
  EXPECT_EQ(server.Post("/v1/completions", R"({"prompt": "O", "max_tokens": 3})").status, 200);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.errors();
  const TraceTracks one = Tracks(folder_ / "trace.group0.json");
  const TraceTracks other = Tracks(folder_ / "trace.group1.json");
  EXPECT_EQ(one.requests.size() + other.requests.size(), 1u);
}

TEST_F(ATrace, IsWrittenWhereTheCommandIsInterrupted) {
  WriteLines(20000);
  const Outcome run = RunScript("\"$@\" & child=$!; until [ -s " + Partial() +
                                    " ]; do sleep 0.05; done; kill -TERM $child; wait $child",
                                Generate({"--tp", "2"}));
  EXPECT_EQ(run.exit_code, 130) << run.errors;
  const TraceTracks tracks = Tracks();
  EXPECT_EQ(tracks.ranks.size(), 2u);
  EXPECT_FALSE(tracks.requests.empty());
}

TEST_F(ATrace, IsNotThereWhereARankDies) {
  WriteLines(20000);
  EXPECT_TRUE(RunAndKill(Generate({"--tp", "2"}), 2000, Victim::kDescendant));
  EXPECT_FALSE(FileExists(file_));
}

TEST_F(ATrace, RefusesWhereItCannotBeWritten) {
  WriteText(input_, "{\"prompt\": \"To be\"}\n");
  const std::string bad = folder_ / "none/trace.json";
  for (const char* ranks : {"1", "2"}) {
    const Outcome run = RunLockstep(
        {"generate", "--model", Model(), "--prompt", "O", "--tp", ranks, "--trace", bad});
    EXPECT_EQ(run.exit_code, 3) << run.errors;
    EXPECT_EQ(run.output, "") << "nothing is computed";
    EXPECT_THAT(run.errors, HasSubstr(bad));
    EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
  }
  const Outcome device =
      RunLockstep({"generate", "--model", Model(), "--prompt", "O", "--trace", "/dev/null"});
  EXPECT_EQ(device.exit_code, 2);
  EXPECT_THAT(device.errors, HasSubstr("--trace /dev/null: is no file"));
  const Outcome other = RunLockstep({"trace", config_});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.errors, HasSubstr("is no trace of lockstep's"));
}

}  // namespace
}  // namespace lockstep
