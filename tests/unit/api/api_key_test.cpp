#include "api/api_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ApiKeyTest : public testing::Test {
 protected:
  void SetUp() override { ::unsetenv(kApiKeyVariable); }
  void TearDown() override { ::unsetenv(kApiKeyVariable); }

  std::string File(const std::string& text) {
    WriteText(folder_ / "key", text);
    return (folder_ / "key").string();
  }
  static std::string KeyOf(const std::optional<std::string>& flag, const std::string& file) {
    Arguments arguments;
    arguments.api_key = flag;
    arguments.options.server.api_key_file = file;
    return ApiKeyOf(arguments);
  }

  const TemporaryFolder folder_;
};

TEST_F(ApiKeyTest, IsThatOfTheFlagOrTheFileOrTheVariable) {
  EXPECT_EQ(KeyOf({}, ""), "");
  ::setenv(kApiKeyVariable, "", 1);
  EXPECT_EQ(KeyOf({}, ""), "");
  ::setenv(kApiKeyVariable, "of the variable", 1);
  EXPECT_EQ(KeyOf({}, ""), "of the variable");
  EXPECT_EQ(KeyOf({}, File("of the file \r\nsecond line\n")), "of the file");
  EXPECT_EQ(KeyOf("of the flag", ""), "of the flag");
}

TEST_F(ApiKeyTest, OfAFileIsEachLine) {
  Arguments arguments;
  arguments.options.server.api_key_file = File("\nfirst \r\n\n  second\nthird");
  EXPECT_THAT(ApiKeysOf(arguments), testing::ElementsAre("first", "  second", "third"));
  arguments.options.server.api_key_file = File("first\nse\tcond\n");
  EXPECT_THAT(MessageOf([&] { ApiKeysOf(arguments); }), HasSubstr("has a control character"));
}

TEST_F(ApiKeyTest, IsRefusedWhereItIsNoneWithoutBeingShown) {
  EXPECT_THAT(MessageOf([&] { KeyOf("secret", File("x")); }), HasSubstr("are both given"));
  EXPECT_THAT(MessageOf([&] { KeyOf("", ""); }), HasSubstr("--api-key: is empty"));
  EXPECT_THAT(MessageOf([&] { KeyOf({}, File("\n")); }), HasSubstr("key: is empty"));
  Arguments arguments;
  arguments.options.server.api_key_file = "/nowhere/keys";
  arguments.options.stated["server.api_key_file"] = "--api-key-file";
  EXPECT_EQ(MessageOf([&] { ApiKeyOf(arguments); }),
            "--api-key-file: /nowhere/keys: no such file; expected API keys, one a line");
  ::setenv(kApiKeyVariable, "sec\nret", 1);
  const std::string message = MessageOf([&] { KeyOf({}, ""); });
  EXPECT_THAT(message, HasSubstr("LOCKSTEP_API_KEY: has a control character"));
  EXPECT_EQ(message.find("sec"), std::string::npos);
}

TEST(WithoutApiKey, LeavesOutTheKeyHoweverItIsGiven) {
  const std::vector<std::string> given = {
      "lockstep",  "serve",  "--api-key", "secret",           "--port",         "8000",
      "--api_key", "secret", "--tp=2",    "--api-key=secret", "--api-key-file", "keys"};
  EXPECT_THAT(WithoutApiKey(given), ElementsAre("lockstep", "serve", "--port", "8000", "--tp=2",
                                                "--api-key-file", "keys"));
  EXPECT_THAT(WithoutApiKey(std::vector<std::string>{"lockstep", "--api-key"}),
              ElementsAre("lockstep"));
}

}  // namespace
}  // namespace lockstep
