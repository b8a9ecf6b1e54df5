#include "tokenizer/files/vocab_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/test_data.h"
#include "tests/unit/tokenizer/tiny_tokenizer.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// A folder with the vocabulary and merges of TinyTokenizerJson(), to which files are added.
class VocabFiles : public testing::Test {
 protected:
  VocabFiles() {
    Write("vocab.json", TinyTokenizerJson()["model"]["vocab"]);
    WriteText(folder_ / "merges.txt", "#version: 0.2\na b\nab c\r\nĠ ab\n");
  }

  void Write(const char* file, const Json& json) { WriteText(folder_ / file, DumpJson(json)); }
  Tokenizer Load() const { return Tokenizer::Load(folder_.path()); }

  void ExpectRefusal(std::initializer_list<const char*> says) {
    try {
      Load();
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadInput);
      for (const char* part : says) EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }

  TemporaryFolder folder_;
};

TEST_F(VocabFiles, MakeAGpt2Tokenizer) {
  const Tokenizer tokenizer = Load();
  EXPECT_EQ(tokenizer.Encode("abc ab e\u0301"), (Ids{257, 258, ' ', 'e', 0xCC, 0x81}));
  // GPT-2 has its end of text even where no file names it.
  EXPECT_EQ(tokenizer.Encode("a<|endoftext|>"), (Ids{'a', 259}));
  EXPECT_TRUE(tokenizer.IsSpecial(259));
}

TEST_F(VocabFiles, MakeAGptNeoXTokenizerWhereAFileSaysSo) {
  Write("config.json", {{"model_type", "gpt_neox"}});
  EXPECT_EQ(Load().Encode("e\u0301<|padding|>"), (Ids{0xC3, 0xA9, 260}));
  Write("tokenizer_config.json", {{"tokenizer_class", "GPT2Tokenizer"}});
  EXPECT_EQ(Load().Encode("e\u0301"), (Ids{'e', 0xCC, 0x81}));
  Write("tokenizer_config.json", {{"tokenizer_class", "GPTNeoXTokenizerFast"}});
  EXPECT_EQ(Load().Encode("e\u0301"), (Ids{0xC3, 0xA9}));
}

TEST_F(VocabFiles, ReadAddedTokensAndTheirRoles) {
  Write("added_tokens.json", {{"<second>", 261}, {"<first>", 259}, {"<eos>", 260}});
  Write("special_tokens_map.json", {{"eos_token", "<eos>"}, {"bos_token", "<eos>"}});
  const Tokenizer tokenizer = Load();
  EXPECT_EQ(tokenizer.TokenId("<first>"), 259);
  EXPECT_EQ(tokenizer.TokenId("<eos>"), 260);
  EXPECT_EQ(tokenizer.TokenId("<second>"), 261);
  EXPECT_EQ(tokenizer.TokenId("<|endoftext|>"), 262);  // still the unknown token
  EXPECT_TRUE(tokenizer.IsSpecial(260));
  EXPECT_FALSE(tokenizer.IsSpecial(259));
}

TEST_F(VocabFiles, PreferTheAddedTokensOfTheConfiguration) {
  Write("added_tokens.json", {{"<old>", 259}});
  Write("tokenizer_config.json", {{"add_prefix_space", true},
                                  {"added_tokens_decoder",
                                   {{"259", {{"content", "<|endoftext|>"}, {"special", true}}},
                                    {"260", {{"content", "<new>"}, {"lstrip", true}}}}}});
  const Tokenizer tokenizer = Load();
  EXPECT_EQ(tokenizer.Encode("ab <new>"), (Ids{258, 260}));
  EXPECT_EQ(tokenizer.TokenId("<old>"), std::nullopt);
}

TEST_F(VocabFiles, GiveWayToATokenizerJson) {
  Json json = TinyTokenizerJson();
  json["model"]["merges"] = Json::array();
  Write("tokenizer.json", json);
  EXPECT_EQ(Load().Encode("ab"), (Ids{'a', 'b'}));
}

TEST_F(VocabFiles, AreRefusedWhenOneIsMissing) {
  std::filesystem::remove(folder_ / "merges.txt");
  ExpectRefusal({"no tokenizer.json", "merges.txt", "expected"});
  std::filesystem::remove(folder_ / "vocab.json");
  ExpectRefusal({"no tokenizer.json", "vocab.json"});
}

TEST_F(VocabFiles, AreRefusedWithTheLineOfABadMerge) {
  WriteText(folder_ / "merges.txt", "#version: 0.2\na b\n\nab c\n");
  ExpectRefusal({"merges.txt:3", "\"\" is no merge"});
  WriteText(folder_ / "merges.txt", "a b\nb a\n");
  ExpectRefusal({"merge 1", "\"ba\""});
}

TEST_F(VocabFiles, AreRefusedForWhatWouldChangeTheTokens) {
  Write("tokenizer_config.json", {{"tokenizer_class", "LlamaTokenizer"}});
  ExpectRefusal({"tokenizer_config.json", "LlamaTokenizer", "GPT2Tokenizer"});
  Write("tokenizer_config.json", {{"add_bos_token", true}});
  ExpectRefusal({"tokenizer_config.json", "add_bos_token"});
  Write("tokenizer_config.json", {{"eos_token", 5}});
  ExpectRefusal({"tokenizer_config.json", "eos_token", "expected"});
  Write("tokenizer_config.json", {{"extra_special_tokens", "x"}});
  ExpectRefusal({"extra_special_tokens", "string", "list"});
  Write("tokenizer_config.json", {{"added_tokens_decoder", {{"x", {{"content", "y"}}}}}});
  ExpectRefusal({"added_tokens_decoder", "\"x\"", "integer"});
  Write("tokenizer_config.json", Json::array());
  ExpectRefusal({"tokenizer_config.json", "array", "object"});
}

TEST_F(VocabFiles, AreRefusedForBadIds) {
  Write("added_tokens.json", {{"<x>", -4}});
  ExpectRefusal({"added_tokens.json", "<x>", "-4"});
  Write("vocab.json", {{"a", 0}, {"b", 0}});
  ExpectRefusal({"vocab.json", "two tokens", "id 0"});
}

}  // namespace
}  // namespace lockstep
