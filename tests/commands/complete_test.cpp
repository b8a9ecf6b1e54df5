// lockstep complete as its users see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

std::string Model() { return (SourceFolder() / "models/shakespeare-neox").string(); }

Outcome OfModel(const std::string& input) {
  return RunLockstep(
      {"complete", "--model", Model(), "--threads", "1", "--temperature", "0", "--quiet"}, input);
}

TEST(Complete, ContinuesEachLineAsGenerateDoes) {
  const Outcome wanted = RunLockstep({"generate", "--model", Model(), "--prompt",
                                      "ROMEO:", "--max-new-tokens", "16", "--temperature", "0"});
  const Outcome run = OfModel("/set max_tokens 16\nROMEO:\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, wanted.output);
}

TEST(Complete, GoesOnBehindAnAnswer) {
  const std::string first = OfModel("/set max_tokens 8\nROMEO:\n").output;
  const Outcome all = OfModel("/set max_tokens 8\nROMEO:\n/more\n/again\n/quit\nnever\n");
  EXPECT_EQ(all.exit_code, 0) << all.errors;
  ASSERT_THAT(all.output, testing::StartsWith(first));
  const std::string rest = all.output.substr(first.size());  // the same twice
  EXPECT_EQ(rest.substr(0, rest.size() / 2), rest.substr(rest.size() / 2));
  EXPECT_NE(rest.substr(0, rest.size() / 2), first);
}

TEST(Complete, SaysWhatIsWrongWithALineAndGoesOn) {
  const Outcome run =
      OfModel("/sett x\n/set temprature 1\n/set top_p 7\nA\n/unset top_p\n/set max_tokens 2\nA\n");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("there is no command /sett"));
  EXPECT_THAT(run.errors, HasSubstr("there is no setting \"temprature\""));
  EXPECT_THAT(run.errors, HasSubstr("top_p"));
  EXPECT_FALSE(run.output.empty()) << "of the last line";
}

TEST(Complete, SpeaksToAServer) {
  RunningServer server({"--model", Model(), "--served-model-name", "bard", "--threads", "1"});
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
  const Outcome run =
      RunLockstep({"complete", "--url", url}, "/set temperature 0\n/set max_tokens 16\nROMEO:\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, OfModel("/set max_tokens 16\nROMEO:\n").output);
}

TEST(Complete, KnowsTheKeyOfAServerOfItsOwn) {
  const TemporaryFolder folder;
  WriteText(folder / "key", "secret\n");
  const Outcome run = RunLockstep({"complete", "--model", Model(), "--threads", "1", "--quiet",
                                   "--api-key-file", (folder / "key").string()},
                                  "/set max_tokens 2\nROMEO:\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
}

TEST(Complete, SaysWhyItCannotBegin) {
  const Outcome nobody = RunLockstep({"complete", "--url", "http://127.0.0.1:1"}, "A\n");
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_THAT(nobody.errors, HasSubstr("the server at 127.0.0.1:1: Connection refused"));
  const Outcome both = RunLockstep({"complete", "--url", "http://127.0.0.1:1", "--model", "m"});
  EXPECT_EQ(both.exit_code, 2);
  const Outcome none = RunLockstep({"complete", "--model", "/nowhere"}, "A\n");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.errors, HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace lockstep
