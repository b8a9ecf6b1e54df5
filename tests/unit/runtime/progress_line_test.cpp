#include "runtime/progress/progress_line.h"

#include <gtest/gtest.h>

#include <string>

namespace lockstep {
namespace {

const auto kFirst = [] { return std::string("1 of 2"); };
const auto kSecond = [] { return std::string("2 of 2"); };

TEST(ProgressLine, IsOneLineThatIsClearedAtTheEnd) {
  std::string shown;
  {
    ProgressLine line({.sink = [&](std::string_view text) { shown += text; },
                       .terminal_period = std::chrono::hours(1)});
    line.Show(kFirst);
    line.Show(kSecond);  // too soon to be shown
  }
  EXPECT_EQ(shown, "\r\x1b[Klockstep: 1 of 2\r\x1b[K");
}

TEST(ProgressLine, IsWrittenOverAsOftenAsItsPeriodSays) {
  std::string shown;
  ProgressLine line({.sink = [&](std::string_view text) { shown += text; }, .terminal_period = {}});
  line.Show(kFirst);
  line.Show(kSecond);
  EXPECT_EQ(shown, "\r\x1b[Klockstep: 1 of 2\r\x1b[Klockstep: 2 of 2");
}

TEST(ProgressLine, IsNeverWiderThanTheTerminalIsNow) {
  std::string shown;
  std::size_t columns = 80;
  ProgressLine line({.sink = [&](std::string_view text) { shown = text; },
                     .columns = [&] { return columns; },
                     .terminal_period = {}});
  line.Show(kFirst);
  EXPECT_EQ(shown, "\r\x1b[Klockstep: 1 of 2");
  columns = 13;
  line.Show(kSecond);
  EXPECT_EQ(shown, "\r\x1b[Klockstep: 2 ");
}

TEST(ProgressLine, IsALineNowAndThenInAFile) {
  std::string shown;
  const auto sink = [&](std::string_view text) { shown += text; };
  {
    ProgressLine line({.sink = sink, .style = ProgressStyle::kLog});
    line.Show(kFirst);  // there is no need for lines of a job of seconds
  }
  EXPECT_EQ(shown, "");
  ProgressLine line({.sink = sink, .style = ProgressStyle::kLog, .log_period = {}});
  line.Show(kFirst);
  line.Show(kSecond);
  line.Clear();
  EXPECT_EQ(shown, "lockstep: 1 of 2\nlockstep: 2 of 2\n");
}

TEST(ProgressLine, IsNotEvenMadeWithQuiet) {
  ProgressLine line(ProgressOnStderr(Verbosity::kQuiet));
  line.Show([]() -> std::string {
    ADD_FAILURE() << "nobody sees it";
    return "";
  });
}

}  // namespace
}  // namespace lockstep
