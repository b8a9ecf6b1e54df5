// `lockstep tokenize` as a filter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files/file.h"
#include "program.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

class Tokenize : public testing::Test {
 protected:
  Outcome Run(const std::string& input, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"tokenize", "--tokenizer", folder_ / "tokenizer.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunLockstep(arguments, input);
  }
  void SetUp() override { WriteText(folder_ / "tokenizer.json", ByteTokenizerJson(94)); }
  TemporaryFolder folder_;
};

TEST_F(Tokenize, TurnsLinesIntoTokensAndBack) {
  const Outcome encoded = Run("{\"text\": \"!\\\"#\"}\n\n{\"text\": \"\", \"id\": 4}\n");
  EXPECT_EQ(encoded.exit_code, 0) << encoded.errors;
  EXPECT_EQ(encoded.output, "{\"tokens\":[0,1,2]}\n{\"id\":4,\"tokens\":[]}\n");
  const Outcome decoded =
      Run("{\"tokens\": [0, 1, 2]}\n{\"tokens\": [93]}\n{\"tokens\": []}", {"--decode"});
  EXPECT_EQ(decoded.exit_code, 0) << decoded.errors;
  EXPECT_EQ(decoded.output,
            "{\"text\":\"!\\\"#\"}\n{\"text\":\"<|endoftext|>\"}\n{\"text\":\"\"}\n");
}

TEST_F(Tokenize, RefusesIdsThatTheTokenizerDoesNotHave) {
  for (const char* id : {"94", "9999", "2147483647"}) {
    const Outcome run = Run(fmt::format("{{\"tokens\": [0, {}]}}\n", id), {"--decode"});
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.output, testing::StartsWith("{\"error\":\"standard input:1: "));
    EXPECT_EQ(
        run.errors,
        fmt::format("lockstep: error: standard input:1: \"tokens\"[1] is {}, which the tokenizer "
                    "has no token for; its ids are 0 to 93\n",
                    id));
  }
}

TEST_F(Tokenize, TakesAFolder) {
  const Outcome run =
      RunLockstep({"tokenize", "--tokenizer", folder_.path()}, "{\"text\": \"AB\"}\n");
  EXPECT_EQ(run.output, "{\"tokens\":[32,33]}\n");
}

TEST_F(Tokenize, TakesTheNameOfAModel) {
  const Outcome run = RunLockstep({"tokenize", "shakespeare-neox"}, "{\"text\": \"To be\"}\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, "{\"tokens\":[398,306]}\n");
  const Outcome none = RunLockstep({"tokenize", "nobody/nothing"}, "");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.errors,
              testing::HasSubstr(
                  "tokenizer nobody/nothing: no such file or folder, and no model of that name"));
  const Outcome no_file = RunLockstep({"tokenize", "nobody/tokenizer.json"}, "");
  EXPECT_EQ(no_file.errors, "lockstep: error: nobody/tokenizer.json: no such file\n");
}

TEST_F(Tokenize, GoesOnAfterABadLine) {
  const Outcome run = Run("{\"text\": \"!\"}\n\n{\"text\": 3}\n{\"text\": \"!\"}\n");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.output,
            "{\"tokens\":[0]}\n{\"error\":\"standard input:3: \\\"text\\\" is 3; expected a "
            "string\"}\n{\"tokens\":[0]}\n");
  EXPECT_EQ(run.errors, "lockstep: error: standard input:3: \"text\" is 3; expected a string\n");
  EXPECT_THAT(Run("{\"id\": \"a\", \"text\": 3}\n").output, testing::HasSubstr("\"id\":\"a\""));
}

TEST_F(Tokenize, ReadsAndWritesFiles) {
  const std::string in = folder_ / "in.jsonl", out = folder_ / "out.jsonl";
  WriteText(in, "{\"text\": \"!\"}\n\n{\"text\": \"AB\", \"id\": 7}\n");
  const Outcome run = Run("", {"--input", in, "--output", out});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, "");
  EXPECT_EQ(ReadFile(out), "{\"tokens\":[0]}\n{\"id\":7,\"tokens\":[32,33]}\n");
  EXPECT_EQ(Run("", {"--input", in, "--output", in}).exit_code, 2);
  EXPECT_EQ(Run("", {"--input", (folder_ / "missing").string()}).exit_code, 2);
}

TEST_F(Tokenize, ReadsAPipeOnce) {
  const Outcome run = RunScript("echo '{\"text\": \"AB\"}' | \"$@\" --input /dev/stdin",
                                {"tokenize", "--tokenizer", (folder_ / "tokenizer.json").string()});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, "{\"tokens\":[32,33]}\n");
}

TEST_F(Tokenize, NamesMissingAndUnknownFields) {
  EXPECT_EQ(Run("{\"id\": 1}\n").errors,
            "lockstep: error: standard input:1: \"text\" is missing; expected a text\n");
  EXPECT_EQ(Run("{\"txt\": \"a\"}\n").errors,
            "lockstep: error: standard input:1: unknown field \"txt\"; the nearest known one is "
            "\"text\"\n");
  EXPECT_THAT(Run("{\"tokens\": [-1]}\n", {"--decode"}).errors,
              testing::HasSubstr("\"tokens\"[0] is -1; expected a token id from 0"));
}

TEST_F(Tokenize, RefusesATokenizerThatIsNone) {
  WriteText(folder_ / "tokenizer.json", "{}");
  const Outcome run = Run("");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, testing::HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace lockstep
