#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <sstream>
#include <thread>

#include "core/files/file.h"
#include "tests/support/test_data.h"
#include "tests/unit/tokenizer/tiny_tokenizer.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::vector<std::string> SplitText(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

// --- Goldens of the reference: tests/golden/make_tokenizer_goldens.py ---

class TokenizerGolden : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, GivesTheReferencesIdsAndText) {
  const std::string name = GetParam();
  const auto goldens = SourceFolder() / "tests/golden/tokenizer";
  auto file = goldens / (name + ".tokenizer.json");
  if (!std::filesystem::exists(file)) file = SourceFolder() / "models" / name / "tokenizer.json";
  const Tokenizer tokenizer = Tokenizer::Load(file);
  std::istringstream lines(ReadFile(goldens / (name + ".jsonl")));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const Json golden = ParseJson(line, name);
    Ids ids;
    for (const Json& id : golden["tokens"]) ids.push_back(id.get<std::int32_t>());
    if (golden.contains("text")) {
      EXPECT_EQ(tokenizer.Encode(golden["text"].get<std::string>()), ids) << line;
    }
    EXPECT_EQ(tokenizer.Decode(ids, SpecialTokens::kKeep), golden["decoded"]) << line;
    EXPECT_EQ(tokenizer.Decode(ids, SpecialTokens::kSkip), golden["without_special"]) << line;
  }
  EXPECT_GE(count, 100u);
}

INSTANTIATE_TEST_SUITE_P(Goldens, TokenizerGolden,
                         testing::Values("tiny-gpt2", "tiny-neox", "shakespeare-gptj",
                                         "shakespeare-neox"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

// --- The large vocabularies ---

struct Large {
  const char* json;
  const char* vectors;  // NAME.inp holds texts, NAME.out a line of ids for each
};

class LargeTokenizer : public testing::TestWithParam<Large> {};

TEST_P(LargeTokenizer, PassesItsTestVectors) {
  const auto folder = LargeDataFolder() / "tokenizers";
  const std::string vectors = GetParam().vectors;
  const Tokenizer tokenizer = Tokenizer::Load(folder / GetParam().json);
  const auto texts = SplitText(ReadFile(folder / (vectors + ".inp")), "\n__ggml_vocab_test__\n");
  const auto answers = SplitText(ReadFile(folder / (vectors + ".out")), "\n");
  ASSERT_GE(texts.size(), 40u);
  ASSERT_GE(answers.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Ids expected;
    std::istringstream ids(answers[i]);
    for (std::int32_t id; ids >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer.Encode(texts[i]), expected) << texts[i];
    EXPECT_EQ(tokenizer.Decode(expected, SpecialTokens::kKeep), texts[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Vectors, LargeTokenizer,
    testing::Values(Large{"gpt2.tokenizer.json", "ggml-vocab-gpt-2.gguf"},
                    Large{"gpt-neox-20b.tokenizer.json", "ggml-vocab-mpt.gguf"}),
    [](const auto& param) { return param.index == 0 ? "gpt2" : "gpt_neox_20b"; });

TEST(LargeVocabFiles, OfGpt2GiveTheSameAsItsTokenizerJson) {
  const auto folder = LargeDataFolder() / "tokenizers";
  TemporaryFolder copy;
  WriteText(copy / "vocab.json", ReadFile(folder / "gpt2.encoder.json"));
  WriteText(copy / "merges.txt", ReadFile(folder / "gpt2.vocab.bpe"));
  const Tokenizer files = Tokenizer::Load(copy.path());
  const Tokenizer json = Tokenizer::Load(folder / "gpt2.tokenizer.json");
  EXPECT_EQ(files.vocab_size(), 50257);
  EXPECT_EQ(json.vocab_size(), 50257);
  const std::string text = ReadFile(SourceFolder() / "README.md") + "<|endoftext|> 中文 e\u0301\n";
  EXPECT_EQ(files.Encode(text), json.Encode(text));
  EXPECT_EQ(files.Decode(files.Encode(text), SpecialTokens::kKeep), text);
}

TEST(LargeVocabFiles, OfGptNeoXHaveItsSpecialTokens) {
  const auto file = LargeDataFolder() / "tokenizers/gpt-neox-20b.tokenizer.json";
  const Tokenizer tokenizer = Tokenizer::Load(file);
  EXPECT_EQ(tokenizer.vocab_size(), 50277);
  EXPECT_EQ(tokenizer.Encode("<|endoftext|><|padding|>"), (Ids{0, 1}));
  EXPECT_EQ(tokenizer.Encode(std::string(24 + 2, ' ')), (Ids{50254, 50276}));
  EXPECT_TRUE(tokenizer.IsSpecial(0));
  EXPECT_FALSE(tokenizer.IsSpecial(50254));
}

// --- Encode, decode, look-ups ---

TEST(Tokenizer, RefusesInvalidUtf8WithItsPlace) {
  const Tokenizer tokenizer = TinyWith({});
  try {
    tokenizer.Encode("abc\xFF");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("byte 3 (0xFF)"));
  }
}

TEST(Tokenizer, TakesEveryByteOfValidTextThereAndBack) {
  const Tokenizer tokenizer = TinyWith({});
  std::string text;
  for (char c = 0; c >= 0 && c < 127; ++c) text.push_back(c);
  text += "\x7F é 中 😀 \u200D\uFEFF";
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text), SpecialTokens::kKeep), text);
  EXPECT_EQ(tokenizer.Encode(""), Ids{});
}

TEST(Tokenizer, KnowsItsTokens) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("<end>", {"special"})});
  EXPECT_EQ(tokenizer.vocab_size(), 260);
  EXPECT_EQ(tokenizer.TokenId("Ġab"), 258);
  EXPECT_EQ(tokenizer.TokenId("<end>"), 259);
  EXPECT_EQ(tokenizer.TokenId(" ab"), std::nullopt);
  EXPECT_EQ(tokenizer.TokenBytes(258), " ab");
  EXPECT_EQ(tokenizer.TokenBytes(0xE4), "\xE4");
  EXPECT_EQ(tokenizer.TokenBytes(260), "");
  EXPECT_EQ(tokenizer.TokenBytes(-1), "");
  EXPECT_TRUE(tokenizer.IsSpecial(259));
  EXPECT_FALSE(tokenizer.IsSpecial(258));
  EXPECT_FALSE(tokenizer.IsSpecial(260));
  EXPECT_FALSE(tokenizer.IsSpecial(-1));
}

TEST(Tokenizer, HasTheFingerprintOfThoseThatDoTheSame) {
  const Json json = TinyTokenizerJson();
  const std::uint64_t tiny = Load(json).fingerprint();
  EXPECT_EQ(Tokenizer::FromJson(DumpJson(json), "elsewhere.json").fingerprint(), tiny);
  std::set<std::uint64_t> all{tiny};
  const auto expect_another = [&](const char* place, const Json& value) {
    Json other = json;
    other[Json::json_pointer(place)] = value;
    EXPECT_TRUE(all.insert(Load(other).fingerprint()).second) << place;
  };
  expect_another("/model/merges", {"a b", "Ġ ab", "ab c"});
  expect_another("/model/vocab/abc", 300);
  expect_another("/model/ignore_merges", true);
  expect_another("/normalizer", {{"type", "NFC"}});
  expect_another("/pre_tokenizer/add_prefix_space", true);
  for (const std::string flag : {"single_word", "lstrip", "rstrip", "normalized", "special"})
    EXPECT_TRUE(all.insert(TinyWith({AddedTokenJson("<x>", {flag})}).fingerprint()).second) << flag;
  EXPECT_TRUE(all.insert(TinyWith({AddedTokenJson("<y>")}).fingerprint()).second);
}

TEST(Tokenizer, DecodesTokensOutsideTheAlphabetAsTheirOwnText) {
  // "é" is in the byte-level alphabet (byte E9), the ideograph is not.
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("aé"), AddedTokenJson("中é")});
  EXPECT_EQ(tokenizer.Decode(Ids{259}, SpecialTokens::kKeep), "a\uFFFD");
  EXPECT_EQ(tokenizer.Decode(Ids{260}, SpecialTokens::kKeep), "中é");
}

TEST(Tokenizer, LeavesSpecialTokensOutOnRequest) {
  const Tokenizer tokenizer =
      TinyWith({AddedTokenJson("<end>", {"special"}), AddedTokenJson("<x>")});
  const Ids ids = {'a', 259, 260, 99999, 'b'};
  EXPECT_EQ(tokenizer.Decode(ids, SpecialTokens::kKeep), "a<end><x>b");
  EXPECT_EQ(tokenizer.Decode(ids, SpecialTokens::kSkip), "a<x>b");
}

TEST(Tokenizer, NamesAFileThatIsMissing) {
  try {
    Tokenizer::Load("/nowhere/tokenizer.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/tokenizer.json"));
  }
}

TEST(Tokenizer, ServesSeveralThreads) {
  const Tokenizer tokenizer = TinyWith({AddedTokenJson("<x>")});
  const std::string text = "abc ab<x> abcab e\u0301\n\n";
  const Ids expected = tokenizer.Encode(text);
  std::vector<std::thread> threads;
  std::array<bool, 4> same{};
  for (bool& result : same)
    threads.emplace_back([&] {
      result = true;
      for (int i = 0; i < 200; ++i) result = result && tokenizer.Encode(text) == expected;
    });
  for (std::thread& thread : threads) thread.join();
  for (const bool result : same) EXPECT_TRUE(result);
}

}  // namespace
}  // namespace lockstep
