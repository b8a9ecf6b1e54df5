#include "runtime/options/option_table.h"

#include <gmock/gmock.h>

#include <set>

#include "runtime/options/yaml/config_yaml.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::string SettingError(const std::string& setting) {
  return MessageOf([&] {
    Options options;
    ApplySetting(options, setting);
  });
}

TEST(OptionTable, HasEachKeyOnce) {
  std::set<std::string> paths;
  for (const OptionKey& key : OptionTable()) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path;
    EXPECT_FALSE(key.help.empty()) << key.path;
  }
}

TEST(OptionTable, KeepsIntegersWithinTheirRange) {
  Options options;
  for (const char* fits : {"sampling.n=1", "sampling.n=1024"})
    EXPECT_NO_THROW(ApplySetting(options, fits)) << fits;
  for (const char* outside : {"sampling.n=0", "sampling.n=1025", "sampling.n=-1"})
    EXPECT_THAT(SettingError(outside), HasSubstr("expected an integer from 1 to 1024"));
}

TEST(OptionTable, HasNoKeyThatIsASectionToo) {
  for (const OptionKey& key : OptionTable()) EXPECT_FALSE(IsSection(key.path)) << key.path;
}

TEST(OptionTable, BindsEveryKeyToAMemberOfItsOwn) {
  // Setting one key changes what that key prints, and nothing else.
  for (const OptionKey& key : OptionTable()) {
    const std::string before = key.print(Options{});
    std::string changed;
    for (const char* text :
         {"7", "0.5", "true", "false", "bf16", "reference", "gptj", "tanh", "off", "none", "cuda",
          "last", "pass_through", "json", "x", "100000"}) {
      Options options;
      try {
        key.set(options, {ConfigValue::Kind::kPlain, text, {}, key.path});
      } catch (const Error&) {
        continue;
      }
      if (key.print(options) == before) continue;
      changed = text;
      for (const OptionKey& other : OptionTable()) {
        if (&other != &key) {
          EXPECT_EQ(other.print(options), other.print(Options{})) << key.path << ", " << other.path;
        }
      }
      break;
    }
    EXPECT_NE(changed, "") << key.path << " cannot be changed";
  }
}

TEST(PrintOptions, GivesYamlThatReadsBackAsTheSameOptions) {
  Options options;
  for (const char* setting :
       {"model.path=a: b #\"\n", "model.dtype=bf16", "model.shape.family=gptj",
        "model.shape.rotary_base=12345.678", "parallel.tp=5", "engine.backend=reference",
        "sampling.stop=[\"\\n\", 'x, y', \xc3\xa9]", "sampling.seed=18446744073709551615",
        "sampling.temperature=0.1", "sampling.ignore_eos=true"})
    ApplySetting(options, setting);
  const std::string text = PrintOptions(options);
  Options again;
  ApplyYaml(again, text, "printed");
  EXPECT_EQ(PrintOptions(again), text);
  EXPECT_EQ(again.model.path, "a: b #\"\n");
  EXPECT_EQ(again.sampling.params.seed, 18446744073709551615u);
  EXPECT_THAT(again.sampling.stop, testing::ElementsAre("\n", "x, y", "\xc3\xa9"));
}

TEST(PrintOptions, OpensEachSectionOnce) {
  const std::string text = PrintOptions(Options{});
  for (const char* section : {"\nparallel:\n", "\n  shape:\n", "\nsampling:\n"}) {
    const auto first = text.find(section);
    ASSERT_NE(first, std::string::npos) << section;
    EXPECT_EQ(text.find(section, first + 1), std::string::npos) << section;
  }
}

TEST(ApplySetting, SetsScalarsAndLists) {
  Options options;
  ApplySetting(options, "parallel.tp=3");
  ApplySetting(options, "sampling.stop=[a, 'b c']");
  ApplySetting(options, "model.path=org/name@rev=1");
  EXPECT_EQ(options.parallel.tp, 3);
  EXPECT_THAT(options.sampling.stop, testing::ElementsAre("a", "b c"));
  EXPECT_EQ(options.model.path, "org/name@rev=1");
}

TEST(ApplySetting, TakesNullForEveryKeyThatCanBeNull) {
  for (const OptionKey& key : OptionTable()) {
    Options options;
    if (!key.nullable) continue;
    EXPECT_NO_THROW(ApplySetting(options, key.path + "=null")) << key.path;
    EXPECT_EQ(key.print(options), "null") << key.path;
    EXPECT_FALSE(options.stated.contains(key.path)) << key.path;
  }
}

TEST(OptionTable, SaysWhatHoldsOfUnsetKeysApartFromTheHelp) {
  for (const OptionKey& key : OptionTable()) {
    EXPECT_EQ(key.help.find("null"), std::string::npos) << key.path;
    EXPECT_EQ(key.help.find("empty:"), std::string::npos) << key.path;
    const std::string value = key.value(Options{});
    if (!key.unset.empty()) {
      EXPECT_TRUE(value == "null" || value == "\"\"") << key.path << " has the default " << value;
    }
  }
}

TEST(PrintOptions, SaysWhatHoldsOfUnsetKeys) {
  const std::string text = PrintOptions(Options{});
  for (const char* line :
       {"tp: null  # ranks to divide the model over; null: one, or those of mpirun\n",
        "tokenizer: \"\"  # a folder, a tokenizer.json or a model's name; empty: the model's "
        "own\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(ApplySetting, TakesBackWithNullWhatWasSet) {
  Options options;
  ApplySetting(options, "sampling.temperature=0.5");
  ApplySetting(options, "sampling.stop=[a]");
  EXPECT_TRUE(options.stated.contains("sampling.temperature"));
  ApplySetting(options, "sampling.temperature=null");
  ApplySetting(options, "sampling.stop=null");
  EXPECT_EQ(options.sampling.params.temperature, 0.0);
  EXPECT_THAT(options.sampling.stop, testing::IsEmpty());
  EXPECT_THAT(options.stated, testing::IsEmpty());
}

TEST(ApplySetting, TakesIntegersThatAreWrittenAsFractions) {
  Options options;
  ApplySetting(options, "parallel.tp=3.0");
  ApplySetting(options, "engine.max_step_tokens=1e3");
  ApplySetting(options, "sampling.seed=7.0");
  EXPECT_EQ(options.parallel.tp, 3);
  EXPECT_EQ(options.engine.max_step_tokens, 1000);
  EXPECT_EQ(options.sampling.params.seed, 7u);
}

TEST(ApplySetting, KnowsWhatOtherProgramsCallKeysAndValues) {
  Options options;
  ApplySetting(options, "sampling.max_tokens=5");
  ApplySetting(options, "parallel.tensor_parallel_size=2");
  ApplySetting(options, "model.torch_dtype=bfloat16");
  EXPECT_EQ(options.sampling.params.max_new_tokens, 5);
  EXPECT_EQ(options.parallel.tp, 2);
  EXPECT_EQ(options.model.dtype, WeightFormat::kBF16);
  EXPECT_THAT(SettingError("max_tokens=5"),
              HasSubstr("nearest known key is \"sampling.max_new_tokens\""));
  EXPECT_THAT(SettingError("sampling.max_length=5"), HasSubstr("it counts the prompt too"));
}

TEST(ApplySettings, RefusesTwoValuesOfOneKey) {
  Options options;
  const std::vector<std::string> settings = {"sampling.top_k=1", "sampling.max_tokens=3",
                                             "sampling.max_new_tokens=4"};
  EXPECT_EQ(
      MessageOf([&] { ApplySettings(options, settings); }),
      "--set sampling.max_tokens and --set sampling.max_new_tokens set the same key; give one");
}

TEST(ApplySetting, RefusesWhatIsNoSetting) {
  EXPECT_EQ(SettingError("parallel.tp"),
            "--set parallel.tp: expected key.path=value, for example --set sampling.top_k=40");
  EXPECT_EQ(SettingError("parallel.tpp=2"),
            "--set parallel.tpp=2: unknown key \"parallel.tpp\"; the nearest known key is "
            "\"parallel.tp\"");
  EXPECT_EQ(SettingError("parallel=2"),
            "--set parallel=2: \"parallel\" is a section; name one of its keys: parallel.tp, "
            "parallel.pp, parallel.dp, parallel.device, parallel.cuda_graphs, "
            "parallel.batch_invariant, parallel.overlap_sums, parallel.threads, parallel.bind");
  EXPECT_THAT(SettingError("=2"), HasSubstr("unknown key \"\""));
}

struct WrongValue {
  const char* setting;
  const char* message;
};

class WrongSetting : public testing::TestWithParam<WrongValue> {};

TEST_P(WrongSetting, SaysWhatWasFoundAndWhatWasExpected) {
  EXPECT_EQ(SettingError(GetParam().setting), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    ApplySetting, WrongSetting,
    testing::Values(
        WrongValue{"parallel.tp=two",
                   "--set parallel.tp is \"two\"; expected an integer from 1 to 65536"},
        WrongValue{"parallel.tp=0",
                   "--set parallel.tp is \"0\"; expected an integer from 1 to 65536"},
        WrongValue{"parallel.tp=2.5",
                   "--set parallel.tp is \"2.5\"; expected an integer from 1 to 65536"},
        WrongValue{"parallel.tp=1e9",
                   "--set parallel.tp is \"1e9\"; expected an integer from 1 to 65536"},
        WrongValue{"parallel.dp=null",
                   "--set parallel.dp is \"null\"; expected an integer from 1 to 65536"},
        WrongValue{"sampling.seed=1e300",
                   "--set sampling.seed is \"1e300\"; expected an integer from 0 to "
                   "18446744073709551615"},
        WrongValue{"sampling.stop=['']",
                   "--set sampling.stop holds an empty text; expected a text or a list of texts, "
                   "none empty"},
        WrongValue{"parallel.tp=99999999999999999999",
                   "--set parallel.tp is \"99999999999999999999\"; expected an integer from 1 to "
                   "65536"},
        WrongValue{"parallel.tp=[1]",
                   "--set parallel.tp is a list of 1; expected an integer from 1 to 65536"},
        WrongValue{"sampling.temperature=nan",
                   "--set sampling.temperature is \"nan\"; expected 0 or a number from 1e-06 to "
                   "1000000"},
        WrongValue{
            "sampling.temperature=",
            "--set sampling.temperature is \"\"; expected 0 or a number from 1e-06 to 1000000"},
        WrongValue{"sampling.ignore_eos=yes",
                   "--set sampling.ignore_eos is \"yes\"; expected true or false"},
        WrongValue{"model.dtype=fp64",
                   "--set model.dtype is \"fp64\"; expected auto or fp32 or bf16 or fp16 or fp8 or "
                   "int8 or int4"},
        WrongValue{"model.cache_dtype=fp4",
                   "--set model.cache_dtype is \"fp4\"; expected fp32 or bf16 or fp16 or int8 or "
                   "fp8"},
        WrongValue{"engine.backend=cuda",
                   "--set engine.backend is \"cuda\"; expected cpu or reference"},
        WrongValue{"sampling.seed=-1",
                   "--set sampling.seed is \"-1\"; expected an integer from 0 to "
                   "18446744073709551615"},
        WrongValue{"sampling.stop=[[a]]",
                   "--set sampling.stop holds a list; expected a list of single values"}));

TEST(EngineLimitsTest, AStepOnGpusHasMoreTokensUnlessTheirNumberIsSaid) {
  Options options;
  EXPECT_EQ(options.engine.step_tokens(false), 512);
  EXPECT_EQ(options.engine.step_tokens(true), 2048);
  ApplySetting(options, "engine.max_step_tokens=100");
  EXPECT_EQ(options.engine.step_tokens(false), 100);
  EXPECT_EQ(options.engine.step_tokens(true), 100);
}

}  // namespace
}  // namespace lockstep
