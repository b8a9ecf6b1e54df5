#include "evaluation/report/scores.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "evaluation/report/score_report.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

// As lockstep and today's harness write it.
constexpr const char* kOurs = R"({
  "results": {"sciq": {"name": "sciq", "alias": "sciq", "sample_len": 1000, "acc,none": 0.5,
                       "acc_stderr,none": 0.01, "acc_norm,none": 0.25, "acc_norm_stderr,none": "N/A"}},
  "n-shot": {"sciq": 5},
  "config": {"model_args": {"pretrained": "org/pythia-70m", "revision": "step1000"},
             "model_num_parameters": 70426624}})";

// As the Pythia repository has it.
constexpr const char* kTheirs = R"({
  "results": {"lambada_openai": {"ppl": 130.5, "ppl_stderr": 5.5, "acc": 0.2, "acc_stderr": 0.005},
              "sciq": {"acc": 0.452, "acc_stderr": 0.0157}},
  "versions": {"lambada_openai": 0},
  "config": {"model": "hf-causal", "num_fewshot": 5,
             "model_args": "use_accelerate=True,pretrained=EleutherAI/pythia-v1.1-70m,revision=step1000"}})";

// As older files there are: nobody knows of which model.
constexpr const char* kNobodys =
    R"({"results": {"sciq": {"acc": 0.9}}, "config": {"model_args": {"a": 1}}})";

std::vector<TaskScore> Read(const char* json) { return ScoresIn(Json::parse(json), "file.json"); }

TEST(ScoresIn, ReadsTodaysLayout) {
  const std::vector<TaskScore> scores = Read(kOurs);
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[0].model, "org/pythia-70m");
  EXPECT_EQ(scores[0].revision, "step1000");
  EXPECT_EQ(scores[0].step(), 1000);
  EXPECT_EQ(scores[0].parameters, 70426624);
  EXPECT_EQ(scores[0].task, "sciq");
  EXPECT_EQ(scores[0].shots, 5);
  EXPECT_EQ(scores[0].metric, "acc");
  EXPECT_EQ(scores[0].value, 0.5);
  EXPECT_EQ(scores[0].error, 0.01);
  EXPECT_EQ(scores[1].metric, "acc_norm");
  EXPECT_EQ(scores[1].error, std::nullopt);
}

TEST(ScoresIn, ReadsTheLayoutOfThePythiaRepository) {
  const std::vector<TaskScore> scores = Read(kTheirs);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[1].metric, "perplexity");
  EXPECT_EQ(scores[1].value, 130.5);
  EXPECT_EQ(scores[1].error, 5.5);
  EXPECT_EQ(scores[2].task, "sciq");
  EXPECT_EQ(scores[2].shots, 5);
  EXPECT_EQ(scores[2].revision, "step1000");
  EXPECT_EQ(CommonName(scores[2].model), "pythia-70m");
}

TEST(ScoresIn, HasNoneOfAModelWithoutAName) { EXPECT_TRUE(Read(kNobodys).empty()); }

TEST(ScoresIn, RefusesAnotherObject) {
  for (const char* json : {"[]", "{}", R"({"results": 1, "config": {}})", R"({"results": {}})"})
    EXPECT_THAT(MessageOf([&] { Read(json); }),
                HasSubstr("file.json: is no result of lm-evaluation-harness"));
}

TEST(CommonName, IsThatOfTheHub) {
  EXPECT_EQ(CommonName("EleutherAI/pythia-v1.1-6.9b-deduped"), "pythia-6.9b-deduped");
  EXPECT_EQ(CommonName("EleutherAI/pythia-6.9b-deduped"), "pythia-6.9b-deduped");
  EXPECT_EQ(CommonName("EleutherAI/intervention-pythia-v1.1-70m"), "intervention-pythia-v1.1-70m");
  EXPECT_EQ(CommonName("./models/demo"), "demo");
}

TEST(ReadPublished, TakesAFileAListAndAFolder) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a/b");
  WriteText(folder / "a/one.json", kTheirs);
  WriteText(folder / "a/b/two.json", kNobodys);
  WriteText(folder / "a/b/README.md", "no JSON");
  WriteText(folder / "a/b/other.json", "{\"results\": {}}");
  WriteText(folder / "list.json", std::string("{\"models\": [") + kOurs + "," + kTheirs + "]}");
  EXPECT_EQ(ReadPublished(folder / "a/one.json").scores.size(), 3u);
  EXPECT_EQ(ReadPublished(folder / "list.json").scores.size(), 5u);
  const PublishedScores all = ReadPublished(folder / "a");
  EXPECT_EQ(all.scores.size(), 3u);
  EXPECT_EQ(all.files, 3);
  EXPECT_EQ(all.without_model, 2);
}

TEST(ReadPublished, NamesWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf([&] { ReadPublished(folder.path()); }), HasSubstr("has no files *.json"));
  EXPECT_THAT(MessageOf([&] { ReadPublished(folder / "none.json"); }), HasSubstr("none.json"));
  WriteText(folder / "other.json", "{\"results\": {}}");
  EXPECT_THAT(MessageOf([&] { ReadPublished(folder / "other.json"); }), HasSubstr("is no result"));
  WriteText(folder / "bad.json", "{");
  EXPECT_THAT(MessageOf([&] { ReadPublished(folder.path()); }), HasSubstr("bad.json"));
}

std::vector<TaskScore> Sweep() {
  std::vector<TaskScore> scores;
  for (const auto& [model, parameters] :
       {std::pair("org/pythia-70m", 70'000'000), std::pair("org/pythia-160m", 160'000'000)})
    for (const char* revision : {"step0", "step1000"})
      for (const char* metric : {"acc", "perplexity"})
        scores.push_back({.model = model,
                          .revision = revision,
                          .parameters = parameters,
                          .task = "lambada_openai",
                          .shots = 5,
                          .metric = metric,
                          .value = 0.25,
                          .error = 0.125});
  return scores;
}

TEST(ScoreReport, HasEveryMetricAgainstStepsAndSizes) {
  const std::string html = ScoreReport({.scores = Sweep(),
                                        .published = {},
                                        .left_out = {{"org/pythia-70m@step2", "is <not> there"}},
                                        .facts = {{"dtype", "f32"}}});
  EXPECT_THAT(html, HasSubstr("<title>Evaluation of 4 checkpoints</title>"));
  for (const char* file : {"lambada_openai-acc-steps.svg", "lambada_openai-perplexity-steps.svg",
                           "lambada_openai-acc-sizes.svg", "lambada_openai-perplexity-sizes.svg"})
    EXPECT_THAT(html, HasSubstr(file));
  EXPECT_THAT(html, HasSubstr("lambada_openai (5 shots): acc"));
  EXPECT_THAT(html, HasSubstr("acc (more is better)"));
  EXPECT_THAT(html, HasSubstr("perplexity (less is better)"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">0.2500 ± 0.1250</td>"));
  EXPECT_THAT(html, HasSubstr("is &lt;not&gt; there"));
  EXPECT_THAT(html, Not(HasSubstr("published")));
}

TEST(ScoreReport, PutsPublishedScoresBesideItsOwn) {
  PublishedScores published{.scores = Read(kTheirs), .files = 3, .without_model = 2};
  const std::string html =
      ScoreReport({.scores = Sweep(), .published = published, .left_out = {}, .facts = {}});
  EXPECT_THAT(html, HasSubstr("pythia-70m, published"));
  EXPECT_THAT(html, HasSubstr("step1000, published"));
  EXPECT_THAT(html, HasSubstr("3 files, which have 2 scores of these models and tasks; 2 of"));
  EXPECT_THAT(html, HasSubstr("130.5000 ± 5.5000"));
  EXPECT_THAT(html, Not(HasSubstr("0.4520"))) << "of a task that was not evaluated";
}

// A single model without steps has tables only.
TEST(ScoreReport, DrawsNothingWhereThereIsNoAxis) {
  const std::string html = ScoreReport({.scores = {{.model = "a",
                                                    .revision = "",
                                                    .parameters = 5,
                                                    .task = "sciq",
                                                    .shots = 0,
                                                    .metric = "acc",
                                                    .value = 0.5,
                                                    .error = {}}},
                                        .published = {},
                                        .left_out = {},
                                        .facts = {}});
  EXPECT_THAT(html, Not(HasSubstr("<svg")));
  EXPECT_THAT(html, HasSubstr("0.5000"));
}

}  // namespace
}  // namespace lockstep
