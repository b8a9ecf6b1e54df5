// Signals that reach other processes than a terminal would choose: all at once, as systemd, docker
// and scancel send them, or one of them alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "tests/multi_rank/processes/probe.h"

namespace lockstep::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// A world of three ranks in the middle of its work.
class WorkingWorld : public ::testing::Test {
 protected:
  void SetUp() override {
    std::istringstream line(child_.WaitForLine("pids "));
    std::string word;
    line >> word;
    for (pid_t pid = 0; line >> pid;) pids_.push_back(pid);
    ASSERT_EQ(pids_.size(), 4u);
    ASSERT_THAT(child_.WaitForLine("step 3"), Not(IsEmpty()));
  }
  pid_t mpirun() const { return pids_[0]; }
  pid_t rank(std::size_t number) const { return pids_[number + 1]; }

  ChildProcess child_{StartedProbe({"3", "loop"})};
  std::vector<pid_t> pids_;  // mpirun, then the ranks
};

class AllAtOnce : public WorkingWorld, public ::testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Signals, AllAtOnce, ::testing::Values(SIGTERM, SIGINT, SIGHUP),
                         [](const auto& test) { return "Signal" + std::to_string(test.param); });

TEST_P(AllAtOnce, InterruptTheWorld) {
  // The parent last: when it hears, the ranks may be gone.
  for (auto pid = pids_.rbegin(); pid != pids_.rend(); ++pid) ::kill(*pid, GetParam());
  child_.Signal(GetParam());
  const auto result = child_.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.errors, HasSubstr("lockstep: interrupted"));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
  EXPECT_TRUE(AllGone(pids_));
}

TEST_P(AllAtOnce, InterruptTheWorldFromTheTop) {
  child_.Signal(GetParam());
  for (const pid_t pid : pids_) ::kill(pid, GetParam());
  const auto result = child_.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
  EXPECT_TRUE(AllGone(pids_));
}

TEST_F(WorkingWorld, StopsInGoodOrderWhenOneRankIsAskedTo) {
  ::kill(rank(2), SIGTERM);
  const auto result = child_.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.output, EndsWith("\nstopped\n"));
  EXPECT_THAT(result.errors, HasSubstr("rank 2 on "));
  EXPECT_THAT(result.errors, HasSubstr("signal 15"));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
}

TEST_F(WorkingWorld, SaysThatItsMpirunWasToldToEnd) {
  ::kill(mpirun(), SIGTERM);
  const auto result = child_.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.errors, HasSubstr("mpirun was told to end"));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
  EXPECT_TRUE(AllGone(pids_));
}

}  // namespace
}  // namespace lockstep::testing
