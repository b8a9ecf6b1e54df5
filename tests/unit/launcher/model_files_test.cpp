#include "launcher/commands/model_files.h"

#include "core/file.h"
#include "expect_error.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

constexpr const char* kConfig = R"({
  "model_type": "gpt_neox", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
  "intermediate_size": 16, "vocab_size": 50, "max_position_embeddings": 32, "eos_token_id": 3})";

class AModelFolder : public testing::Test {
 protected:
  void SetUp() override { WriteText(folder_ / "config.json", kConfig); }
  ModelFiles Open() const { return OpenModel(TheOptions()); }
  Options TheOptions() const {
    Options options;
    options.model.path = folder_.path();
    return options;
  }
  void GenerationConfig(const std::string& text) const {
    WriteText(folder_ / "generation_config.json", text);
  }

  TemporaryFolder folder_;
};

TEST_F(AModelFolder, EndsTextsAtConfigJsonsToken) { EXPECT_EQ(Open().eos_token, 3); }

TEST_F(AModelFolder, PrefersTheTokenOfGenerationConfig) {
  GenerationConfig(R"({"eos_token_id": 7})");
  EXPECT_EQ(Open().eos_token, 7);
  GenerationConfig(R"({"eos_token_id": [9, 8]})");
  EXPECT_EQ(Open().eos_token, 9);
}

TEST_F(AModelFolder, FallsBackWhereGenerationConfigHasNone) {
  for (const char* text : {"{}", R"({"eos_token_id": null})", R"({"eos_token_id": []})"}) {
    GenerationConfig(text);
    EXPECT_EQ(Open().eos_token, 3) << text;
  }
}

TEST_F(AModelFolder, HasNoEndWhenTheTokenCannotCome) {
  GenerationConfig(R"({"eos_token_id": 50})");
  EXPECT_EQ(Open().eos_token, std::nullopt);
}

TEST_F(AModelFolder, RefusesABrokenGenerationConfig) {
  GenerationConfig("[]");
  EXPECT_THAT(MessageOf([&] { Open(); }), HasSubstr("generation_config.json: expected"));
  GenerationConfig(R"({"eos_token_id": "x"})");
  EXPECT_THAT(MessageOf([&] { Open(); }), HasSubstr("\"eos_token_id\" is \"x\""));
}

TEST_F(AModelFolder, MustAgreeWithTheConfiguredShape) {
  Options options = TheOptions();
  options.model.shape.context = 64;
  EXPECT_THAT(MessageOf([&] { OpenModel(options); }), HasSubstr("context = 32"));
  options.model.shape.context = 32;
  EXPECT_NO_THROW(OpenModel(options));
}

TEST_F(AModelFolder, TakesATokenizerUpToItsVocabulary) {
  WriteText(folder_ / "tokenizer.json", ByteTokenizerJson(50));
  EXPECT_EQ(OpenTokenizer(TheOptions(), Open()).vocab_size(), 50);
  WriteText(folder_ / "tokenizer.json", ByteTokenizerJson(51));
  EXPECT_THAT(MessageOf([&] { OpenTokenizer(TheOptions(), Open()); }),
              HasSubstr("the tokenizer has 51 ids"));
}

TEST_F(AModelFolder, TakesATokenizerFromElsewhere) {
  WriteText(folder_ / "other.json", ByteTokenizerJson(20));
  Options options = TheOptions();
  options.model.tokenizer = folder_ / "other.json";
  EXPECT_EQ(OpenTokenizer(options, Open()).vocab_size(), 20);
}

TEST(ReadSpec, TakesTheShapeWhereTheConfiguredCheckpointIsNotHere) {
  Arguments arguments;
  arguments.config_file = "run.yaml";
  arguments.options.model.path = "/nowhere/at/all";
  ModelShape& shape = arguments.options.model.shape;
  EXPECT_THAT(MessageOf([&] { ReadSpec(arguments); }), HasSubstr("/nowhere/at/all"));
  shape.family = Family::kGptJ;
  shape.layers = 1;
  shape.d_model = 8;
  shape.heads = 2;
  shape.rotary_dims = 2;
  shape.vocab_rows = 10;
  shape.context = 16;
  EXPECT_EQ(ReadSpec(arguments).family, Family::kGptJ);
  arguments.model_source = ModelSource::kFlag;
  EXPECT_THAT(MessageOf([&] { ReadSpec(arguments); }), HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace lockstep
