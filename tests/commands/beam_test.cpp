// Beam search against transformers (tests/golden/make_beam_goldens.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

struct Case {
  const char* model;
  int ranks;
};

class BeamSearchCommand : public testing::TestWithParam<Case> {};

Json Goldens(const std::string& model) {
  return ParseJson(ReadFile(SourceFolder() / "tests/golden/beams" / (model + ".json")), "golden");
}

// All cases as one batch: beams of several searches share the steps.
std::string Lines(const Json& goldens) {
  std::string lines;
  for (const Json& one : goldens.at("cases")) {
    const Json line = {{"tokens", one.at("prompt")},
                       {"num_beams", one.at("num_beams")},
                       {"n", one.at("num_beams")},
                       {"length_penalty", one.at("length_penalty")},
                       {"early_stopping", one.at("early_stopping")},
                       {"max_new_tokens", one.at("max_new_tokens")},
                       {"stop_token_ids", {one.at("end")}},
                       {"ignore_eos", true}};
    lines += DumpJson(line) + "\n";
  }
  return lines;
}

void ExpectSequences(const Json& samples, const Json& sequences, std::size_t line) {
  ASSERT_EQ(samples.size(), sequences.size()) << "line " << line;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(samples[i].at("tokens"), sequences[i].at("tokens")) << "line " << line << ", " << i;
    EXPECT_NEAR(samples[i].at("score").get<double>(), sequences[i].at("score").get<double>(), 2e-4)
        << "line " << line << ", " << i;
  }
}

TEST_P(BeamSearchCommand, FindsWhatTransformersFinds) {
  const auto [model, ranks] = GetParam();
  if (ranks > LOCKSTEP_TEST_RANKS) GTEST_SKIP() << "built without MPI";
  const Json goldens = Goldens(model);
  const Outcome run =
      RunLockstep({"generate", "--model", (SourceFolder() / "models" / model).string(), "--dtype",
                   "fp32", "--tp", std::to_string(ranks), "--temperature", "0", "--input", "-"},
                  Lines(goldens));
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  std::istringstream output(run.output);
  std::size_t count = 0;
  for (std::string line; std::getline(output, line); ++count)
    ExpectSequences(ParseJson(line, "output").at("samples"),
                    goldens.at("cases").at(count).at("sequences"), count);
  EXPECT_EQ(count, goldens.at("cases").size());
}

INSTANTIATE_TEST_SUITE_P(Models, BeamSearchCommand,
                         testing::Values(Case{"shakespeare-gptj", 1}, Case{"shakespeare-neox", 1},
                                         Case{"shakespeare-neox", 2}),
                         [](const auto& one) {
                           return std::string(one.param.model).substr(12) + "_" +
                                  std::to_string(one.param.ranks);
                         });

TEST(BeamSearchRequests, RefuseWhatBeamsDoNotHave) {
  const std::string model = (SourceFolder() / "models/shakespeare-neox").string();
  const Outcome run =
      RunLockstep({"generate", "--model", model, "--input", "-"},
                  "{\"prompt\": \"a\", \"num_beams\": 2, \"temperature\": 1}\n"
                  "{\"prompt\": \"a\", \"num_beams\": 2, \"n\": 3}\n"
                  "{\"prompt\": \"a\", \"num_beams\": 2, \"early_stopping\": \"soon\"}\n"
                  "{\"prompt\": \"a\", \"num_beams\": 65}\n");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, testing::HasSubstr("beam search has no temperature"));
  EXPECT_THAT(run.output, testing::HasSubstr("n is 3; expected at most num_beams, which is 2"));
  EXPECT_THAT(run.output, testing::HasSubstr("expected false or true or never"));
  EXPECT_THAT(run.output, testing::HasSubstr("is 65; expected an integer from 1 to 64"));
}

}  // namespace
}  // namespace lockstep
