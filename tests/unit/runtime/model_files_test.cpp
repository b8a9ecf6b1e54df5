#include "runtime/model_files.h"

#include <gmock/gmock.h>

#include "core/files/file.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kConfig = R"({
  "model_type": "gpt_neox", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
  "intermediate_size": 16, "vocab_size": 50, "max_position_embeddings": 32, "eos_token_id": %})";

class AModelFolder : public testing::Test {
 protected:
  void SetUp() override { Config("3"); }
  void Config(const std::string& end_tokens) const {
    std::string text = kConfig;
    text.replace(text.find('%'), 1, end_tokens);
    WriteText(folder_ / "config.json", text);
  }
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

TEST_F(AModelFolder, EndsTextsAtConfigJsonsTokens) {
  EXPECT_THAT(Open().generation.end_tokens, ElementsAre(3));
  Config(R"([4, 3])");
  EXPECT_THAT(Open().generation.end_tokens, ElementsAre(4, 3));
  Config("null");
  EXPECT_THAT(Open().generation.end_tokens, IsEmpty());
}

TEST_F(AModelFolder, EndsTextsAtAllTokensOfGenerationConfig) {
  GenerationConfig(R"({"eos_token_id": 7})");
  EXPECT_THAT(Open().generation.end_tokens, ElementsAre(7));
  GenerationConfig(R"({"eos_token_id": [9, 0, 9, 8]})");
  EXPECT_THAT(Open().generation.end_tokens, ElementsAre(9, 0, 8));
  GenerationConfig(R"({"eos_token_id": [9.0]})");
  EXPECT_THAT(Open().generation.end_tokens, ElementsAre(9));
}

// As transformers 5.24: GenerationConfig.from_pretrained() reads the one file or the other.
TEST_F(AModelFolder, HasNoEndWhereGenerationConfigNamesNone) {
  for (const char* text : {"{}", R"({"eos_token_id": null})", R"({"eos_token_id": []})"}) {
    GenerationConfig(text);
    EXPECT_THAT(Open().generation.end_tokens, IsEmpty()) << text;
  }
}

TEST_F(AModelFolder, PassesOverEndTokensThatCannotComeOneByOne) {
  GenerationConfig(R"({"eos_token_id": 50})");
  EXPECT_THAT(Open().generation.end_tokens, IsEmpty());
  GenerationConfig(R"({"eos_token_id": [50256, 49, -1, 1e300]})");
  EXPECT_THAT(Open().generation.end_tokens, ElementsAre(49));
  Config("-2");
  std::filesystem::remove(folder_ / "generation_config.json");
  EXPECT_THAT(Open().generation.end_tokens, IsEmpty());
}

TEST_F(AModelFolder, RefusesABrokenGenerationConfig) {
  GenerationConfig("[]");
  EXPECT_THAT(MessageOf([&] { Open(); }), HasSubstr("generation_config.json: expected"));
  for (const char* value : {"\"x\"", "[3, null]", "[3, 4.5]", "true", "[[3]]", "{}"}) {
    GenerationConfig(fmt::format("{{\"eos_token_id\": {}}}", value));
    EXPECT_THAT(MessageOf([&] { Open(); }),
                HasSubstr("generation_config.json: \"eos_token_id\" has "))
        << value;
  }
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
