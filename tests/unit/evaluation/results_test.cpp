#include "evaluation/results/results.h"

#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "evaluation/numbers/sha256.h"
#include "evaluation/results/results_json.h"
#include "evaluation/results/results_table.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

PlannedDocument Planned(std::string_view task, const char* json, std::vector<std::size_t> windows) {
  Document document{.fields = OrderedJson::parse(json), .where = "in"};
  const Question question = FindTask(task).ask(document);
  return {
      .document = document, .question = question, .examples = "", .windows = std::move(windows)};
}

// Two questions, the second of which has an answer in two windows; and a text.
EvaluationPlan SmallPlan() {
  EvaluationPlan plan;
  plan.tasks.push_back(
      {.task = &FindTask("piqa"),
       .shots = 0,
       .documents_in_file = 5,
       .documents = {
           Planned("piqa", R"({"goal": "g", "sol1": "ab", "sol2": "üüüü", "label": 0})", {1, 1}),
           Planned("piqa", R"({"goal": "h", "sol1": "a", "sol2": "b", "label": 1})", {1, 2})}});
  plan.text = PlannedText{.file = "text.txt", .bytes = 20, .words = 4, .tokens = 10, .windows = 2};
  return plan;
}

constexpr std::array kAnswers = {Answer{-2.0, false}, Answer{-2.5, true}, Answer{-3.0, true},
                                 Answer{-1.0, false}, Answer{-2.0, true}, Answer{-4.0, true},
                                 Answer{-6.0, true}};

TEST(Evaluate, ComparesLikelihoodsAsTheyAreAndForEachCharacter) {
  const EvaluationPlan plan = SmallPlan();
  const TaskResult task = Evaluate(plan, kAnswers).tasks.at(0);
  EXPECT_THAT(task.documents[0].values, testing::ElementsAre(1.0, 0.0));
  // -3 and -1 - 2 are equal: the first counts.
  EXPECT_THAT(task.documents[1].values, testing::ElementsAre(0.0, 0.0));
  EXPECT_FALSE(task.documents[1].answers[1].is_greedy);
  EXPECT_EQ(task.metrics[0].value, 0.5);
  EXPECT_EQ(task.metrics[0].error, 0.5);
  EXPECT_EQ(task.metrics[1].error, 0.0);
}

TEST(Evaluate, GivesTheLikelihoodOfATextPerWordByteAndToken) {
  const EvaluationPlan plan = SmallPlan();
  const auto metrics = Evaluate(plan, kAnswers).text->metrics;
  ASSERT_EQ(metrics.size(), 4u);
  EXPECT_DOUBLE_EQ(metrics[0].value, std::exp(2.5));
  EXPECT_DOUBLE_EQ(metrics[1].value, std::exp(0.5));
  EXPECT_DOUBLE_EQ(metrics[2].value, 0.5 / std::log(2.0));
  EXPECT_DOUBLE_EQ(metrics[3].value, std::exp(1.0));
}

TEST(ReadAnswer, TakesWhatScoreWrites) {
  const Answer answer = ReadAnswer(
      R"({"id":0,"tokens":[1],"logprobs":[-1.5],"top":[1],"sum_logprob":-1.5,"is_greedy":true})");
  EXPECT_EQ(answer.loglikelihood, -1.5);
  EXPECT_TRUE(answer.is_greedy);
  EXPECT_EQ(ReadAnswer(R"({"sum_logprob":null,"is_greedy":false})").loglikelihood, -INFINITY);
  EXPECT_EQ(MessageOf([] { ReadAnswer(R"({"id":0,"error":"why"})"); }), "why");
}

TEST(ResultsJson, HasTheFieldsOfTheHarness) {
  const EvaluationPlan plan = SmallPlan();
  EvaluationOptions options;
  options.limit = 2;
  const OrderedJson json = ResultsJson(
      Evaluate(plan, kAnswers), options,
      {.name = "org/m", .dtype = "fp32", .parameters = 7, .context_tokens = 256}, {1.0, 2.5});
  EXPECT_EQ(json["results"]["piqa"]["acc,none"], 0.5);
  EXPECT_EQ(json["results"]["piqa"]["acc_norm_stderr,none"], 0.0);
  EXPECT_EQ(json["results"]["perplexity"]["word_perplexity_stderr,none"], "N/A");
  EXPECT_EQ(json["n-samples"]["piqa"].dump(), "{\"original\":5,\"effective\":2}");
  EXPECT_EQ(json["n-shot"]["piqa"], 0);
  EXPECT_EQ(json["higher_is_better"]["piqa"]["acc"], true);
  EXPECT_EQ(json["configs"]["piqa"]["task"], "piqa");
  EXPECT_EQ(json["config"]["limit"], 2);
  EXPECT_EQ(json["model_name_sanitized"], "org__m");
  EXPECT_EQ(json["total_evaluation_time_seconds"], "2.5");
}

TEST(WriteSamples, GivesALineForEachDocument) {
  const EvaluationPlan plan = SmallPlan();
  std::vector<Json> lines;
  WriteSamples(Evaluate(plan, kAnswers), "m",
               [&](std::string_view line) { lines.push_back(ParseJson(line, "line")); });
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["doc_id"], 0);
  EXPECT_EQ(lines[0]["arguments"]["gen_args_1"]["arg_1"], " üüüü");
  EXPECT_EQ(lines[0]["resps"].dump(), R"([[["-2.0","False"]],[["-2.5","True"]]])");
  EXPECT_EQ(lines[0]["filtered_resps"].dump(), R"([["-2.0","False"],["-2.5","True"]])");
  EXPECT_EQ(lines[0]["target"], "0");
  EXPECT_EQ(lines[0]["acc_norm"], 0.0);
  EXPECT_EQ(lines[0]["target_hash"], Sha256("0"));
}

TEST(ResultsTable, FitsATerminal) {
  EvaluationPlan plan = SmallPlan();
  plan.text->file = std::string(200, 'f');
  const std::string table = ResultsTable(Evaluate(plan, kAnswers), std::string(200, 'm'));
  std::istringstream stream(table);
  for (std::string line; std::getline(stream, line);) {
    EXPECT_LE(line.size(), 80u);
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
  EXPECT_THAT(
      table,
      testing::HasSubstr(
          "piqa                     2      0  acc                      0.5000       0.5000\n"));
}

TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Sha256(std::string(55, 'x')),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(Sha256(std::string(56, 'x')),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(Sha256(std::string(64, 'x')),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

}  // namespace
}  // namespace lockstep
