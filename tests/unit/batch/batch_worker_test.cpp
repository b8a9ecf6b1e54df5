#include "batch/batch_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>

#include "core/json.h"
#include "partition/model/config_json.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/ranks_alike.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Gives its lines a few at a time and ends when all have been answered.
class FakeQueue : public WorkQueue {
 public:
  std::vector<WorkLine> Take() override {
    std::vector<WorkLine> lines;
    while (!waiting.empty() && lines.size() < at_once) {
      lines.push_back(std::move(waiting.front()));
      waiting.pop_front();
      ++taken_;
    }
    return lines;
  }
  void Put(LineResult result) override {
    EXPECT_FALSE(results.contains(result.index)) << result.index << " twice";
    results[result.index] = std::move(result);
  }
  bool ended() const override { return gives_up || (waiting.empty() && results.size() == taken_); }

  std::deque<WorkLine> waiting;
  std::size_t at_once = 2;
  bool gives_up = false;
  std::map<std::int64_t, LineResult> results;

 private:
  std::size_t taken_ = 0;
};

// Counts what the workers of the group are told.
class CountedBroadcasts : public RankAlike {
 public:
  CountedBroadcasts() : RankAlike(0, {"here"}) {}
  void Broadcast(Bytes&) override { ++count; }
  int count = 0;
};

// Gives nothing, for so long.
class IdleQueue : public WorkQueue {
 public:
  explicit IdleQueue(std::chrono::milliseconds time)
      : end_(std::chrono::steady_clock::now() + time) {}
  std::vector<WorkLine> Take() override { return {}; }
  void Put(LineResult) override {}
  bool ended() const override { return std::chrono::steady_clock::now() > end_; }

 private:
  std::chrono::steady_clock::time_point end_;
};

class BatchWorkerTest : public testing::Test {
 protected:
  void Run() {
    defaults_.sampling.params.max_new_tokens = 6;
    Run(queue_, Task::kGenerate, &tokenizer_);
  }
  void Run(WorkQueue& queue, Task task, const Tokenizer* tokenizer) {
    EngineLoop loop(engine_, tokenizer, EngineLoop::kAnyNumber);
    BatchWorker({loop, queue, {task, defaults_, tokenizer, spec_, chat_}}).Run();
  }
  void Add(const std::string& line) {
    const auto index = static_cast<std::int64_t>(queue_.waiting.size());
    queue_.waiting.push_back({index, line, fmt::format("in:{}", index + 1)});
  }
  Json Record(std::int64_t index) const {
    return ParseJson(queue_.results.at(index).record, "record");
  }

  std::filesystem::path folder_ = SourceFolder() / "tests/golden/cases/gptj_saved_single";
  CountedBroadcasts self_;
  GoldenModel model_{folder_, self_, {}};
  ModelSpec spec_ = LoadModelSpec(folder_);
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(90), "tokenizer.json");
  Engine engine_{model_.decoder(), self_, {.max_sequences = 3, .sampled_vocab = 90}};
  Options defaults_;
  ChatSupport chat_;
  FakeQueue queue_;
};

TEST_F(BatchWorkerTest, AnswersEveryLineOnce) {
  for (int i = 0; i < 12; ++i)
    Add(fmt::format(R"({{"prompt": "{}", "id": "line {}", "ignore_eos": true}})",
                    std::string(static_cast<std::size_t>(1 + i), 'b'), i));
  Run();
  ASSERT_THAT(queue_.results, SizeIs(12));
  for (const auto& [index, result] : queue_.results) {
    EXPECT_EQ(Record(index).at("id"), fmt::format("line {}", index));
    EXPECT_EQ(result.tokens, 6) << index;
    EXPECT_EQ(result.error, "") << index;
    EXPECT_EQ(result.record.back(), '\n') << index;
  }
  EXPECT_TRUE(engine_.idle());
}

TEST_F(BatchWorkerTest, CountsTheTokensOfAllSamples) {
  Add(R"({"prompt": "a", "n": 3, "temperature": 1, "ignore_eos": true})");
  Run();
  EXPECT_EQ(queue_.results.at(0).tokens, 18);
}

TEST_F(BatchWorkerTest, GivesALineThatCannotBeUsedARecordThatSaysWhyAndGoesOn) {
  Add(R"({"promt": "a"})");
  Add(R"({"prompt": "a", "id": "good"})");
  Add("no JSON");
  Add(fmt::format(R"({{"id": "too long", "prompt": "{}"}})", std::string(70, 'b')));
  Add(R"({"tokens": [1, 100000]})");
  Run();
  ASSERT_THAT(queue_.results, SizeIs(5));
  EXPECT_THAT(queue_.results.at(0).error, HasSubstr("in:1"));
  EXPECT_EQ(Record(1).at("id"), "good");
  EXPECT_EQ(queue_.results.at(1).error, "");
  EXPECT_THAT(queue_.results.at(2).error, HasSubstr("in:3"));
  EXPECT_THAT(queue_.results.at(3).error, HasSubstr("in:4"));
  EXPECT_EQ(Record(3).at("id"), "too long");
  for (const std::int64_t bad : {0, 2, 3, 4}) {
    EXPECT_EQ(Record(bad).at("error"), queue_.results.at(bad).error) << bad;
    EXPECT_EQ(queue_.results.at(bad).tokens, 0) << bad;
  }
}

TEST_F(BatchWorkerTest, AnswersALineThatHasSeveralRequestsWithOneRecord) {
  defaults_.model.path = "served";
  Add(R"({"custom_id": "a", "method": "POST", "url": "/v1/completions",
          "body": {"prompt": ["a", "abc"], "max_tokens": 4, "ignore_eos": true}})");
  Add(R"({"custom_id": "b", "method": "POST", "url": "/v1/completions", "body": {}})");
  Run();
  EXPECT_EQ(Record(0).at("response").at("body").at("choices").size(), 2);
  EXPECT_EQ(queue_.results.at(0).tokens, 8);
  EXPECT_EQ(Record(1).at("response").at("status_code"), 400);
  EXPECT_THAT(queue_.results.at(1).error, HasSubstr("in:2: "));
}

TEST_F(BatchWorkerTest, ScoresAndEmbedsLinesAndNamesThoseThatItCannot) {
  for (const Task task : {Task::kScore, Task::kEmbed}) {
    FakeQueue queue;
    queue.waiting.push_back({0, R"({"tokens": [1, 2, 3], "id": "a"})", "in:1"});
    queue.waiting.push_back({1, R"({"text": "ab"})", "in:2"});
    queue.waiting.push_back({2, R"({"prompt": "ab"})", "in:3"});
    Run(queue, task, nullptr);
    EXPECT_EQ(ParseJson(queue.results.at(0).record, "record").at("id"), "a");
    EXPECT_EQ(queue.results.at(0).tokens, 3);
    EXPECT_THAT(queue.results.at(1).error, HasSubstr("in:2: there is no tokenizer"));
    EXPECT_THAT(queue.results.at(2).error, HasSubstr("in:3: "));
  }
}

// Lines differ although they say the same, and are the same whatever runs beside them.
TEST_F(BatchWorkerTest, DrawsEachLineFromTheStreamOfItsIndex) {
  for (int i = 0; i < 4; ++i) Add(R"({"prompt": "abc", "temperature": 1, "ignore_eos": true})");
  Run();
  const std::string last = queue_.results.at(3).record;
  EXPECT_NE(Record(0).at("text"), Record(3).at("text"));
  FakeQueue alone;
  alone.waiting.push_back(
      {3, R"({"prompt": "abc", "temperature": 1, "ignore_eos": true})", "in:4"});
  Run(alone, Task::kGenerate, &tokenizer_);
  EXPECT_EQ(alone.results.at(3).record, last);
}

// The group's other ranks would take it for lost.
TEST_F(BatchWorkerTest, ShowsItsWorkersThatItLivesWhileItHasNothingToDo) {
  IdleQueue queue(std::chrono::milliseconds(200));
  self_.set_deadline_seconds(0.1);
  Run(queue, Task::kGenerate, &tokenizer_);
  EXPECT_GE(self_.count, 1);
}

TEST_F(BatchWorkerTest, LeavesAtOnceWhenNothingMoreIsWanted) {
  Add(R"({"prompt": "a"})");
  queue_.gives_up = true;
  Run();
  EXPECT_THAT(queue_.results, IsEmpty());
  EXPECT_EQ(self_.count, 0);
}

}  // namespace
}  // namespace lockstep
