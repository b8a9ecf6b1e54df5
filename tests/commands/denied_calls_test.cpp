// The program where the system forbids what it would like to use, as containers do. Settings that
// nobody has made never fail there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

Outcome Generate(const std::string& how, const std::vector<std::string>& more) {
  const std::string model = SourceFolder() / "models/shakespeare-neox";
  std::vector<std::string> words = {"generate", "--model",          model, "--prompt",
                                    "ROMEO:",   "--max-new-tokens", "8"};
  words.insert(words.end(), more.begin(), more.end());
  return RunScript("exec " + how + " \"$@\"", words);
}

TEST(DeniedCalls, ChangeNoText) {
  const Outcome free = Generate("", {"--tp", "1"});
  ASSERT_EQ(free.exit_code, 0) << free.errors;
  for (const char* ranks : {"1", "2"}) {
    if (ranks[0] == '2' && LOCKSTEP_TEST_RANKS == 1) continue;
    const Outcome run = Generate("'" DENY_CALLS "'", {"--tp", ranks, "--threads", "1"});
    EXPECT_EQ(run.exit_code, 0) << ranks << " ranks: " << run.errors;
    EXPECT_EQ(run.output, free.output) << ranks << " ranks";
  }
}

TEST(DeniedCalls, AreNamedWhereTheUserWantsThem) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Outcome run = Generate("'" DENY_CALLS "'", {"--tp", "2", "--set", "comm.shared_memory=on"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("comm.shared_memory is on, but"));
}

}  // namespace
}  // namespace lockstep
