#include "evaluation/checkpoints/revisions.h"

#include <gmock/gmock.h>

#include "evaluation/checkpoints/checkpoint_names.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParseRevisions, TakesNamesAndRanges) {
  EXPECT_THAT(ParseRevisions("main"), ElementsAre("main"));
  EXPECT_THAT(ParseRevisions("step1000,refs/pr/1,step0"),
              ElementsAre("step1000", "refs/pr/1", "step0"));
  EXPECT_THAT(ParseRevisions("step5..step5/1"), ElementsAre("step5"));
  EXPECT_THAT(ParseRevisions("step1000..step8000/3000"),
              ElementsAre("step1000", "step4000", "step7000"));
  EXPECT_THAT(ParseRevisions("step0..step6/3,main"),
              ElementsAre("step0", "step3", "step6", "main"));
}

TEST(ParseRevisions, KnowsTheStepsOfTheSuite) {
  EXPECT_THAT(
      ParseRevisions("step0..step4000"),
      ElementsAre("step0", "step1", "step2", "step4", "step8", "step16", "step32", "step64",
                  "step128", "step256", "step512", "step1000", "step2000", "step3000", "step4000"));
  EXPECT_THAT(
      ParseRevisions("step3..step999"),
      ElementsAre("step4", "step8", "step16", "step32", "step64", "step128", "step256", "step512"));
  EXPECT_THAT(ParseRevisions("step512..step1000"), ElementsAre("step512", "step1000"));
  EXPECT_THAT(ParseRevisions("step1001..step2999"), ElementsAre("step2000"));
  const auto all = ParseRevisions("step0..step143000");
  EXPECT_EQ(all.size(), 154u);
  EXPECT_EQ(all.back(), "step143000");
}

TEST(ParseRevisions, RefusesWhatIsNone) {
  const auto message = [](std::string_view text) {
    return MessageOf([&] { ParseRevisions(text); });
  };
  EXPECT_THAT(message(""), HasSubstr("has an empty name"));
  EXPECT_THAT(message("a,,b"), HasSubstr("has an empty name"));
  EXPECT_THAT(message("a,"), HasSubstr("has an empty name"));
  EXPECT_THAT(message("a,b,a"), HasSubstr("names \"a\" twice"));
  EXPECT_THAT(message("step0..step4,step2"), HasSubstr("names \"step2\" twice"));
  EXPECT_THAT(message("a b"), HasSubstr("is no revision"));
  EXPECT_THAT(message("a@b"), HasSubstr("is no revision"));
  for (const char* text :
       {"step0..", "..step1", "step1..main", "step1..step2/0", "step1..step2/x", "step1..step2/",
        "step01..step2", "step-1..step2", "step1..2", "step1..step99999999999999"})
    EXPECT_THAT(message(text), HasSubstr("expected stepA..stepB")) << text;
  EXPECT_THAT(message("step5..step4"), HasSubstr("ends before it begins"));
  EXPECT_THAT(message("step513..step999"), HasSubstr("has no step in \"step513..step999\""));
  EXPECT_THAT(message("step0..step20000/1"), HasSubstr("more than 10000 revisions"));
}

TEST(StepOf, IsTheNumberBehindStep) {
  EXPECT_EQ(StepOf("step0"), 0);
  EXPECT_EQ(StepOf("step143000"), 143000);
  for (const char* name : {"main", "step", "step1x", "step007", "step 1", "Step1", "step-1"})
    EXPECT_EQ(StepOf(name), std::nullopt) << name;
}

std::vector<CheckpointName> CheckpointsAsked(std::vector<std::string> models,
                                             std::vector<std::string> revisions = {}) {
  EvaluationOptions options;
  options.models = std::move(models);
  options.revisions = std::move(revisions);
  return CheckpointsOf(options);
}

TEST(CheckpointsOf, AreAllRevisionsOfOneModelAndThenOfTheNext) {
  EXPECT_THAT(CheckpointsAsked({"o/a", "o/b"}, {"x", "y"}),
              ElementsAre(CheckpointName{"o/a", "x"}, CheckpointName{"o/a", "y"},
                          CheckpointName{"o/b", "x"}, CheckpointName{"o/b", "y"}));
  EXPECT_THAT(CheckpointsAsked({"o/a@step1", "b"}),
              ElementsAre(CheckpointName{"o/a", "step1"}, CheckpointName{"b", ""}));
  EXPECT_EQ((CheckpointName{"o/a", "step1"}.full()), "o/a@step1");
  EXPECT_EQ((CheckpointName{"b", ""}.full()), "b");
}

TEST(CheckpointsOf, AreNotThoseOfAFolder) {
  const TemporaryFolder folder;
  const std::string place = folder.path().string() + "/a@b";
  std::filesystem::create_directory(place);
  EXPECT_THAT(CheckpointsAsked({place}), ElementsAre(CheckpointName{place, ""}));
  EXPECT_THAT(MessageOf([&] { CheckpointsAsked({place}, {"x"}); }),
              HasSubstr("is a folder, which has no revisions"));
  EXPECT_THAT(MessageOf([] { CheckpointsAsked({"o/a@x"}, {"y"}); }),
              HasSubstr("names a revision itself"));
}

}  // namespace
}  // namespace lockstep
