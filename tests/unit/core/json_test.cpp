#include "core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string MessageFor(const std::string& text) {
  try {
    ParseJson(text, "here.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("here.json: "));
    return error.what();
  }
  return "accepted";
}

std::string Nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

TEST(ParseJson, ReadsADocument) {
  const Json json = ParseJson(R"({"a": [1, -2.5, "é", null, true]})", "here.json");
  EXPECT_EQ(json["a"][0], 1);
  EXPECT_EQ(json["a"][1], -2.5);
  EXPECT_EQ(json["a"][2], "é");
  EXPECT_TRUE(json["a"][3].is_null());
}

TEST(ParseJson, AllowsAKeyAgainInAnotherObject) {
  EXPECT_NO_THROW(ParseJson(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})", "here.json"));
}

TEST(ParseJson, RefusesAKeyThatStandsTwice) {
  EXPECT_THAT(MessageFor(R"({"a": 1, "b": {}, "a": 2})"), HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(MessageFor(R"([{"x": {"k": 1, "k": 1}}])"), HasSubstr("\"k\" stands twice"));
  // The same key, spelled differently.
  EXPECT_THAT(MessageFor(R"({"a": 1, "\u0061": 2})"), HasSubstr("\"a\" stands twice"));
}

TEST(ParseJson, RefusesDepthPastItsLimit) {
  EXPECT_NO_THROW(ParseJson(Nested(64), "here.json"));
  EXPECT_THAT(MessageFor(Nested(66)), HasSubstr("deeper than 64"));
  EXPECT_THAT(MessageFor(std::string(1'000'000, '[')), HasSubstr("deeper than 64"));
}

TEST(ParseJson, RefusesInvalidUtf8) {
  for (const char* bytes : {"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xc0\xaf\""})
    EXPECT_THAT(MessageFor(bytes), HasSubstr("not valid JSON at byte")) << bytes;
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\" 1}", "nul", "01", "+1", ".5", "1 2", "'a'",
                           "\"\n\"", "// comment\n1", "\"\\ud800\"", "NaN"})
    EXPECT_THAT(MessageFor(text), HasSubstr("not valid JSON")) << text;
}

TEST(ParseJson, DoesNotIgnoreWhatFollowsANulCharacter) {
  using namespace std::string_literals;
  EXPECT_THAT(MessageFor("{}\0garbage"s), HasSubstr("not valid JSON at byte 3"));
  EXPECT_THAT(MessageFor("\0"s), HasSubstr("not valid JSON at byte 1"));
}

TEST(ParseJson, RefusesANumberPastTheRangeOfDouble) {
  EXPECT_THAT(MessageFor("[1e999]"), HasSubstr("not valid JSON"));
}

TEST(FindMember, MissingAndNullMembersAreNothing) {
  const Json json = ParseJson(R"({"null": null})", "here.json");
  for (const char* key : {"null", "absent"}) {
    EXPECT_EQ(FindInt(json, key, "here"), std::nullopt);
    EXPECT_EQ(FindNumber(json, key, "here"), std::nullopt);
    EXPECT_EQ(FindBool(json, key, "here"), std::nullopt);
    EXPECT_EQ(FindString(json, key, "here"), std::nullopt);
  }
}

TEST(FindMember, ReturnsMembersOfTheAskedType) {
  const Json json = ParseJson(
      R"({"i": -9223372036854775808, "m": 9223372036854775807, "d": 1e-5, "b": false, "s": "é"})",
      "here.json");
  EXPECT_EQ(FindInt(json, "i", "here"), INT64_MIN);
  EXPECT_EQ(FindInt(json, "m", "here"), INT64_MAX);
  EXPECT_EQ(FindNumber(json, "d", "here"), 1e-5);
  EXPECT_EQ(FindNumber(json, "m", "here"), static_cast<double>(INT64_MAX));
  EXPECT_EQ(FindBool(json, "b", "here"), false);
  EXPECT_EQ(FindString(json, "s", "here"), "é");
}

TEST(FindMember, RefusesMembersOfAnotherType) {
  const Json json = ParseJson(
      R"({"d": 1.0, "big": 9223372036854775808, "s": "1", "b": true, "i": 1, "l": [1]})", "x");
  const auto refused = [&](auto find, const char* key, const char* expected) {
    try {
      find(json, key, "here.json");
      FAIL() << "accepted " << key;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadInput);
      EXPECT_THAT(error.what(), AllOf(HasSubstr("here.json: \"" + std::string(key) + "\" is "),
                                      HasSubstr(expected)));
    }
  };
  for (const char* key : {"d", "big", "s", "b", "l"}) refused(FindInt, key, "an integer");
  for (const char* key : {"s", "b", "l"}) refused(FindNumber, key, "a number");
  for (const char* key : {"d", "s", "i", "l"}) refused(FindBool, key, "true or false");
  for (const char* key : {"d", "b", "i", "l"}) refused(FindString, key, "a string");
}

TEST(FindMember, QuotesOnlyTheStartOfALongValue) {
  const Json json{{"key", std::vector<int>(10'000, 7)}};
  try {
    FindInt(json, "key", "here.json");
    FAIL() << "accepted a list";
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 120u);
    EXPECT_THAT(error.what(), HasSubstr("[7,7,7"));
  }
}

TEST(DumpJson, WritesOneLineAndKeepsCharacters) {
  EXPECT_EQ(DumpJson(Json{{"text", "é\n\"☃"}}), "{\"text\":\"é\\n\\\"☃\"}");
}

TEST(DumpJson, ReplacesInvalidUtf8) {
  EXPECT_EQ(DumpJson(Json("a\xff"
                          "b")),
            "\"a\xef\xbf\xbd"
            "b\"");
}

TEST(DumpJson, IsReadBack) {
  const Json json = {{"f", 0.1}, {"i", INT64_MIN}, {"n", nullptr}, {"s", std::string("\0\x1f", 2)}};
  EXPECT_EQ(ParseJson(DumpJson(json), "here"), json);
}

TEST(ParseJson, SpeaksOfTheTextAndNotOfALibrary) {
  for (const auto& [text, why] : std::initializer_list<std::pair<std::string, const char*>>{
           {"{\"a\": nul}", "at byte 10: found \"}\" where it does not belong"},
           {"{\"a\" 1}", "at byte 6: found \"1}\" where it does not belong"},
           {"{'a': 1}", "at byte 2: found \"'a': 1}\""},
           {"{\"a\": ", "the text ends too early"},
           {"", "at byte 1: it is empty"},
           {"\"\xff\"", "not valid UTF-8"},
           {"\"\\ud800\"", "surrogate"},
           {"\"a\nb\"", "control character"},
           {"\"\\x\"", "backslash"},
           {"\"\\u12\"", "hexadecimal"},
           {"[-]", "number"},
           {"[1e999]", "too large"},
           {"{} {}", "at byte 4: found \"{}\""}}) {
    EXPECT_THAT(MessageFor(text), HasSubstr(why)) << text;
    for (const char* theirs : {"json.exception", "parse error", "syntax error", "last read"})
      EXPECT_THAT(MessageFor(text), testing::Not(HasSubstr(theirs))) << text;
  }
}

}  // namespace
}  // namespace lockstep
