#include "runtime/generation_config.h"

#include <gmock/gmock.h>

#include "core/files/file.h"
#include "runtime/options/option_table.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kVocabulary = 50;

Options With(std::initializer_list<const char*> settings) {
  Options options;
  for (const char* setting : settings) ApplySetting(options, setting);
  return options;
}

AppliedDefaults Apply(const char* json, Options& options) {
  const GenerationConfig config{"M/g.json", ParseJson(json, "test"), {7}};
  return ApplyDefaults(config, kVocabulary, options);
}

Options Applied(const char* json, Options options = {}) {
  Apply(json, options);
  return options;
}

std::vector<std::string> Unsupported(const char* json, Options options = {}) {
  return Apply(json, options).unsupported;
}

TEST(GenerationDefaults, AreThoseOfTheModelWhereNobodyHasSetTheKey) {
  const SamplingOptions sampling =
      Applied(R"({"do_sample": true, "temperature": 0.6, "top_k": 30, "top_p": 0.9, "min_p": 0.05,
                  "repetition_penalty": 1.1, "max_new_tokens": 40.0, "min_new_tokens": 3,
                  "stop_strings": ["END"], "suppress_tokens": [4, 60, -1, 9]})")
          .sampling;
  EXPECT_EQ(sampling.params.temperature, 0.6);
  EXPECT_EQ(sampling.params.top_k, 30);
  EXPECT_EQ(sampling.params.top_p, 0.9);
  EXPECT_EQ(sampling.params.min_p, 0.05);
  EXPECT_EQ(sampling.params.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.params.max_new_tokens, 40);
  EXPECT_EQ(sampling.params.min_tokens, 3);
  EXPECT_THAT(sampling.stop, ElementsAre("END"));
  EXPECT_THAT(sampling.params.banned_tokens, ElementsAre(4, 9));
}

TEST(GenerationDefaults, GiveWayToWhatTheUserHasSet) {
  const char* json = R"({"do_sample": true, "temperature": 0.6, "top_k": 30, "max_new_tokens": 40,
                         "max_length": 100})";
  const SamplingOptions sampling =
      Applied(json,
              With({"sampling.temperature=0", "sampling.top_k=0", "sampling.max_new_tokens=9"}))
          .sampling;
  EXPECT_EQ(sampling.params.temperature, 0.0);
  EXPECT_EQ(sampling.params.top_k, 0);
  EXPECT_EQ(sampling.params.max_new_tokens, 9);
  EXPECT_EQ(sampling.max_length, std::nullopt);
}

TEST(GenerationDefaults, SampleOnlyWhereDoSampleIsTrue) {
  for (const char* json : {R"({"temperature": 0.6, "top_p": 0.9})",
                           R"({"do_sample": false, "temperature": 0.6, "top_p": 0.9})",
                           R"({"do_sample": null, "temperature": 0.6, "top_p": 0.9})"}) {
    const SamplingParams params = Applied(json).sampling.params;
    EXPECT_EQ(params.temperature, 0.0) << json;
    EXPECT_EQ(params.top_k, 0) << json;
    EXPECT_EQ(params.top_p, 0.9) << "for who asks for a temperature";
  }
}

TEST(GenerationDefaults, SampleAsTransformersDoesWhereTheFileSaysNoMore) {
  const SamplingParams params = Applied(R"({"do_sample": true})").sampling.params;
  EXPECT_EQ(params.temperature, 1.0);
  EXPECT_EQ(params.top_k, 50);
  EXPECT_EQ(Applied(R"({"do_sample": true, "top_k": 0})").sampling.params.top_k, 0);
}

TEST(GenerationDefaults, AreNothingInAFileThatSaysNothing) {
  for (const char* json : {"{}", R"({"eos_token_id": 0, "bos_token_id": 0, "use_cache": true,
                                     "_from_model_config": true, "transformers_version": "5.24.0",
                                     "temperature": 1.0, "top_p": 1.0, "num_beams": 1})"}) {
    Options options;
    const AppliedDefaults applied = Apply(json, options);
    EXPECT_THAT(applied.used, IsEmpty());
    EXPECT_THAT(applied.unsupported, IsEmpty());
    EXPECT_EQ(PrintOptions(options), PrintOptions(Options{}));
  }
}

TEST(GenerationDefaults, NameWhatIsNotSupported) {
  EXPECT_THAT(Unsupported(R"({"no_repeat_ngram_size": 3, "typical_p": 0.5, "min_length": 5,
                              "begin_suppress_tokens": [1], "num_return_sequences": 2})"),
              ElementsAre("min_length", "typical_p", "no_repeat_ngram_size",
                          "begin_suppress_tokens", "num_return_sequences"));
  EXPECT_THAT(Unsupported(R"({"no_repeat_ngram_size": 0, "typical_p": 1, "min_length": 0,
                              "begin_suppress_tokens": null, "guidance_scale": null})"),
              IsEmpty());
}

TEST(GenerationDefaults, BanWordsOfOneToken) {
  Options options;
  const AppliedDefaults applied = Apply(R"({"bad_words_ids": [[3], [4, 5], [7]]})", options);
  EXPECT_THAT(options.sampling.params.banned_tokens, ElementsAre(3)) << "7 is an end token";
  EXPECT_THAT(applied.unsupported, ElementsAre("bad_words_ids of several tokens"));
  for (const std::string wrong : {"5", "\"x\"", "[[1.0]]", "[3]", "[[]]"})
    EXPECT_THAT(MessageOf([&] { Apply(("{\"bad_words_ids\": " + wrong + "}").c_str(), options); }),
                testing::HasSubstr("expected a list of lists of token ids"))
        << wrong;
}

TEST(GenerationDefaults, TakeMaxLengthWhereThereIsNoMaxNewTokens) {
  EXPECT_EQ(Applied(R"({"max_length": 20})").sampling.max_length, 20);
  EXPECT_EQ(Applied(R"({"max_length": 20, "max_new_tokens": 5})").sampling.max_length,
            std::nullopt);
}

TEST(GenerationDefaults, SearchWithBeamsWhereNothingElseIsAsked) {
  EXPECT_EQ(Applied(R"({"num_beams": 4, "length_penalty": 0.5})").sampling.beams.num_beams, 4);
  Options options = With({"sampling.temperature=1"});
  const AppliedDefaults applied = Apply(R"({"num_beams": 4})", options);
  EXPECT_EQ(options.sampling.beams.num_beams, 1);
  EXPECT_THAT(applied.used, IsEmpty());
  EXPECT_THAT(applied.unsupported, ElementsAre("num_beams (together with temperature)"));
}

TEST(GenerationDefaults, LeaveOutWhatTheUsersBeamsDoNotHave) {
  Options options = With({"sampling.num_beams=2"});
  const AppliedDefaults applied =
      Apply(R"({"do_sample": true, "repetition_penalty": 1.2, "suppress_tokens": [3],
                "max_new_tokens": 5})",
            options);
  EXPECT_EQ(options.sampling.params.temperature, 0.0);
  EXPECT_EQ(options.sampling.params.repetition_penalty, 1.0);
  EXPECT_THAT(options.sampling.params.banned_tokens, IsEmpty());
  EXPECT_EQ(options.sampling.params.max_new_tokens, 5);
  EXPECT_THAT(applied.unsupported, testing::SizeIs(3));
}

TEST(GenerationDefaults, ShortenMinTokensToTheUsersLimit) {
  const Options options =
      Applied(R"({"min_new_tokens": 100})", With({"sampling.max_new_tokens=8"}));
  EXPECT_EQ(options.sampling.params.min_tokens, 8);
}

TEST(GenerationDefaults, RefuseBadValuesWithFileAndKey) {
  struct Bad {
    const char* json;
    const char* message;
  };
  for (const Bad& bad :
       {Bad{R"({"temperature": -1})", "M/g.json: \"temperature\" is -1; expected 0 or a number"},
        Bad{R"({"do_sample": true, "temperature": "hot"})",
            "M/g.json: \"temperature\" is \"hot\";"},
        Bad{R"({"do_sample": 1})", "M/g.json: \"do_sample\" is 1; expected true or false"},
        Bad{R"({"top_k": 2.5})", "M/g.json: \"top_k\" is 2.5; expected an integer"},
        Bad{R"({"top_p": 7})", "M/g.json: \"top_p\" is 7;"},
        Bad{R"({"max_new_tokens": 0})", "M/g.json: \"max_new_tokens\" is 0;"},
        Bad{R"({"max_length": -3})", "M/g.json: \"max_length\" is -3;"},
        Bad{R"({"num_beams": 1000})", "M/g.json: \"num_beams\" is 1000;"},
        Bad{R"({"early_stopping": "soon"})", "M/g.json: \"early_stopping\" is \"soon\";"},
        Bad{R"({"suppress_tokens": 5})", "M/g.json: \"suppress_tokens\" is 5; expected a list"},
        Bad{R"({"suppress_tokens": [5, "x"]})", "M/g.json: \"suppress_tokens\"[1] is \"x\";"},
        Bad{R"({"stop_strings": [3]})", "M/g.json: \"stop_strings\" is [3];"}}) {
    Options options;
    EXPECT_THAT(MessageOf([&] { Apply(bad.json, options); }), testing::StartsWith(bad.message));
  }
}

class AChoice : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(folder_ / "generation_config.json", R"({"eos_token_id": [5, 6], "top_k": 3})");
    WriteText(folder_ / "other.json", R"({"top_k": 4})");
  }
  GenerationConfig Read(const std::string& choice, Family family = Family::kGptNeoX) const {
    ModelSpec spec;
    spec.family = family;
    spec.vocab_rows = kVocabulary;
    return ReadGenerationConfig(folder_.path(), choice, spec);
  }
  TemporaryFolder folder_;
};

TEST_F(AChoice, IsTheModelsFileOrNoneOrAnother) {
  EXPECT_EQ(Read("auto").values.at("top_k"), 3);
  EXPECT_THAT(Read("none").values, IsEmpty());
  EXPECT_EQ(Read(folder_ / "other.json").values.at("top_k"), 4);
  EXPECT_EQ(Read(folder_.path()).values.at("top_k"), 3);
}

TEST_F(AChoice, LeavesTheEndTokensUnlessItNamesOthers) {
  const std::string other = folder_ / "other.json";
  for (const std::string& choice : std::vector<std::string>{"auto", "none", other})
    EXPECT_THAT(Read(choice).end_tokens, ElementsAre(5, 6)) << choice;
  WriteText(folder_ / "other.json", R"({"eos_token_id": 9})");
  EXPECT_THAT(Read(folder_ / "other.json").end_tokens, ElementsAre(9));
}

// As transformers 5.24 has it, for each class.
TEST_F(AChoice, HasTheEndTokenOfTheClassWhereOnlyConfigJsonCouldNameOne) {
  WriteText(folder_ / "config.json", "{}");
  EXPECT_THAT(Read("auto").end_tokens, ElementsAre(5, 6));
  WriteText(folder_ / "generation_config.json", "{}");
  EXPECT_THAT(Read("auto").end_tokens, IsEmpty());
  std::filesystem::remove(folder_ / "generation_config.json");
  EXPECT_THAT(Read("auto").end_tokens, ElementsAre(2));
  EXPECT_THAT(Read("auto", Family::kGptJ).end_tokens, IsEmpty());  // 50256 of 50 tokens
  WriteText(folder_ / "config.json", R"({"eos_token_id": null})");
  EXPECT_THAT(Read("auto").end_tokens, IsEmpty());
}

TEST_F(AChoice, MustExist) {
  EXPECT_THAT(
      MessageOf([&] { Read("nowhere"); }),
      HasSubstr("model.generation_config is nowhere, and there is no such file; expected auto"));
}

}  // namespace
}  // namespace lockstep
