#include "tokenizer/files/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tokenizer/tiny_tokenizer.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// A change to a good tokenizer.json, as a JSON pointer and the value put there, and what the
// message has to say.
struct Refusal {
  std::string pointer;
  Json value;
  std::vector<std::string> says;
};

class TokenizerJsonRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(TokenizerJsonRefuses, AndSaysWhy) {
  Json json = TinyTokenizerJson();
  json[Json::json_pointer(GetParam().pointer)] = GetParam().value;
  try {
    Load(json);
    FAIL() << "accepted " << GetParam().pointer << " = " << GetParam().value;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("tiny.json"));
    EXPECT_THAT(error.what(), HasSubstr("expected"));
    for (const std::string& part : GetParam().says) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

Json Without(Json object, const char* key) {
  object.erase(key);
  return object;
}

INSTANTIATE_TEST_SUITE_P(
    OtherKinds, TokenizerJsonRefuses,
    testing::Values(
        Refusal{"/version", "2.0", {"version", "2.0"}},
        Refusal{"/normalizer", {{"type", "Lowercase"}}, {"normalizer", "Lowercase", "NFC"}},
        Refusal{"/normalizer",
                {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKC"}}}}},
                {"normalizer", "NFKC"}},
        Refusal{"/normalizer", {{"type", "Sequence"}}, {"normalizers", "null", "list"}},
        Refusal{"/normalizer", "NFC", {"normalizer", "string", "object"}},
        Refusal{"/pre_tokenizer", nullptr, {"pre_tokenizer", "null", "ByteLevel"}},
        Refusal{"/pre_tokenizer", {{"type", "Split"}}, {"pre_tokenizer", "Split", "ByteLevel"}},
        Refusal{"/pre_tokenizer", {{"type", "ByteLevel"}}, {"add_prefix_space", "missing"}},
        Refusal{"/pre_tokenizer/use_regex", 1, {"use_regex", "1", "true or false"}},
        Refusal{"/decoder", nullptr, {"decoder", "null", "ByteLevel"}},
        Refusal{"/decoder", {{"type", "WordPiece"}}, {"decoder", "WordPiece"}},
        Refusal{"/post_processor", {{"type", "RobertaProcessing"}}, {"RobertaProcessing"}},
        Refusal{"/post_processor",
                {{"type", "TemplateProcessing"},
                 {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}},
                {"post_processor", "<s>", "adds no tokens"}},
        Refusal{"/post_processor",
                {{"type", "TemplateProcessing"}, {"single", Json::array()}},
                {"post_processor", "repeats or drops"}}));

INSTANTIATE_TEST_SUITE_P(
    Models, TokenizerJsonRefuses,
    testing::Values(
        Refusal{"/model", nullptr, {"model", "null", "object"}},
        Refusal{"/model/type", "Unigram", {"Unigram", "BPE"}},
        Refusal{"/model/dropout", 0.1, {"dropout", "null"}},
        Refusal{"/model/continuing_subword_prefix", "##", {"continuing_subword_prefix"}},
        Refusal{"/model/end_of_word_suffix", "</w>", {"end_of_word_suffix"}},
        Refusal{"/model", Without(TinyTokenizerJson()["model"], "vocab"), {"vocab", "null"}},
        Refusal{"/model/vocab", Json::array(), {"vocab", "array", "object"}},
        Refusal{"/model/vocab/a", -1, {"\"a\"", "-1", "from 0"}},
        Refusal{"/model/vocab/a", "1", {"\"a\"", "integer"}},
        Refusal{"/model/vocab/a", 1.5, {"\"a\"", "1.5", "integer"}},
        Refusal{"/model/vocab/a", 4294967296, {"\"a\"", "4294967296", "1048575"}},
        Refusal{"/model/vocab/a", 7, {"two tokens", "id 7"}},
        Refusal{"/model/merges", nullptr, {"merges", "null", "list"}},
        Refusal{"/model/merges", {"a b", "c"}, {"merges[1]", "\"c\"", "one space"}},
        Refusal{"/model/merges", {"a b c"}, {"merges[0]", "\"a b c\""}},
        Refusal{"/model/merges", {"a b", {"a", "b"}}, {"merges[1]", "left right"}},
        Refusal{"/model/merges", {{"a", "b"}, "a b"}, {"merges[1]", "[\"left\", \"right\"]"}},
        Refusal{"/model/merges", {{"a", "b", "c"}}, {"merges[0]", "[\"a\",\"b\",\"c\"]"}},
        Refusal{"/model/merges", Json::array({Json::array({"a", 1})}), {"merges[0]"}},
        Refusal{"/model/merges", {"a zz"}, {"merge 0", "\"zz\"", "vocabulary lacks"}},
        Refusal{"/model/merges", {"b a"}, {"merge 0", "\"ba\"", "vocabulary lacks"}}));

INSTANTIATE_TEST_SUITE_P(
    AddedTokens, TokenizerJsonRefuses,
    testing::Values(Refusal{"/added_tokens", Json::object(), {"added_tokens", "object", "list"}},
                    Refusal{"/added_tokens", {"x"}, {"added_tokens[0]", "string", "object"}},
                    Refusal{"/added_tokens",
                            Json::array({Without(AddedTokenJson("x"), "id")}),
                            {"added_tokens[0]", "\"id\""}},
                    Refusal{
                        "/added_tokens",
                        Json::array({AddedTokenJson("x"), Without(AddedTokenJson("y"), "content")}),
                        {"added_tokens[1]", "\"content\""}},
                    Refusal{"/added_tokens",
                            Json::array({Without(AddedTokenJson("x"), "lstrip")}),
                            {"added_tokens[0]", "\"lstrip\"", "missing"}}));

TEST(TokenizerJson, RefusesWhatIsNoJson) {
  EXPECT_THROW(Tokenizer::FromJson("", "x"), Error);
  EXPECT_THROW(Tokenizer::FromJson("[]", "x"), Error);
  EXPECT_THROW(Tokenizer::FromJson("{}", "x"), Error);
  EXPECT_THROW(Tokenizer::FromJson(R"({"model": {"vocab": {"a": 0, "a": 1}}})", "x"), Error);
}

TEST(TokenizerJson, TakesBothWaysToWriteMerges) {
  Json json = TinyTokenizerJson();
  json["model"]["merges"] = Json::array({Json::array({"a", "b"}), Json::array({"ab", "c"})});
  EXPECT_EQ(Load(json).Encode("abc"), (Ids{257}));
  json["model"]["merges"] = {"#version: 0.2", "a b", "ab c"};
  EXPECT_EQ(Load(json).Encode("abc"), (Ids{257}));
  json["model"]["merges"] = Json::array();
  EXPECT_EQ(Load(json).Encode("abc"), (Ids{'a', 'b', 'c'}));
}

TEST(TokenizerJson, HonoursTheByteLevelOptions) {
  Json json = TinyTokenizerJson();
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(Load(json).Encode("ab"), (Ids{258}));
  EXPECT_EQ(Load(json).Encode(" ab"), (Ids{258}));
  EXPECT_EQ(Load(json).Encode("\tab"), (Ids{' ', '\t', 256}));
  EXPECT_EQ(Load(json).Encode(""), Ids{});
  json = TinyTokenizerJson();
  json["model"]["vocab"]["b1"] = 259;
  json["model"]["merges"] = {"b 1"};
  EXPECT_EQ(Load(json).Encode("b1"), (Ids{'b', '1'}));
  json["pre_tokenizer"]["use_regex"] = false;
  EXPECT_EQ(Load(json).Encode("b1"), (Ids{259}));
}

TEST(TokenizerJson, AcceptsOptionsThatChangeNothing) {
  Json json = TinyTokenizerJson();
  json["truncation"] = {{"max_length", 1}};
  json["padding"] = {{"strategy", "BatchLongest"}};
  json["model"]["dropout"] = 0.0;
  json["model"]["unk_token"] = "a";  // never reached: every byte has a token
  json["model"]["byte_fallback"] = true;
  json["model"]["continuing_subword_prefix"] = "";
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
  const Json alone = {{"type", "TemplateProcessing"}, {"single", {{{"Sequence", {{"id", "A"}}}}}}};
  json["post_processor"] = {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, alone}}};
  EXPECT_EQ(Load(json).Encode("abc"), (Ids{257}));
}

TEST(TokenizerJson, RefusesAnUnknownTokenWhereAByteHasNone) {
  Json json = TinyTokenizerJson();
  json["model"]["vocab"].erase("z");
  EXPECT_EQ(Load(json).Encode("azb"), (Ids{256}));  // left out, as the reference does
  json["model"]["unk_token"] = "a";
  EXPECT_THROW(Load(json), Error);
  json["model"]["unk_token"] = nullptr;
  json["model"]["byte_fallback"] = true;
  EXPECT_THROW(Load(json), Error);
}

TEST(TokenizerJson, BoundsTheMemoryOfSparseIds) {
  Json json = TinyTokenizerJson();
  json["model"]["vocab"]["abc"] = kTokenIdLimit - 1;
  EXPECT_EQ(Load(json).vocab_size(), kTokenIdLimit);
  json["model"]["vocab"]["abc"] = kTokenIdLimit;
  EXPECT_THROW(Load(json), Error);
}

}  // namespace
}  // namespace lockstep
