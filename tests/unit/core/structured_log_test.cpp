#include "core/logging/structured_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "core/json.h"

namespace lockstep {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// What `action` writes to stderr in a format.
template <typename Action>
std::string Logged(LogFormat format, Action&& action) {
  ::testing::internal::CaptureStderr();
  SetLogFormat(format);
  action();
  SetLogFormat(LogFormat::kPlain);
  SetLogRank(0, 1);
  return ::testing::internal::GetCapturedStderr();
}

Json Object(const std::string& line) {
  EXPECT_THAT(line, EndsWith("}\n"));
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  return ParseJson(line, "line");
}

const LogLabel kAbout{.request_id = "r-1", .trace_id = "0af7651916cd43dd8448eb211c80319c"};

TEST(StructuredLog, HasTheTimeBeforeALineOfText) {
  EXPECT_THAT(Logged(LogFormat::kText, [] { LogWarning("slow"); }),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                           "lockstep: warning: slow\n"));
}

TEST(StructuredLog, IsOneObjectALineWhateverTheBytes) {
  const std::string wild("a\n\"b\\\0\x01\xff\xc3 \xe2\x80\xa8", 13);
  const Json line = Object(Logged(LogFormat::kJson, [&] {
    LogEvent(LogLevel::kError, wild, {{"route", wild}, {"status", 200}, {"ms", 1.5}});
  }));
  EXPECT_EQ(line["level"], "error");
  EXPECT_THAT(line["message"].get<std::string>(), StartsWith("a\n\"b\\"));
  EXPECT_EQ(line["route"], line["message"]);
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["ms"], 1.5);
  EXPECT_EQ(line["time"].get<std::string>().size(), kTimeLength);
}

TEST(StructuredLog, NamesTheRequestThatAThreadIsAboutAndItsRank) {
  const auto say = [] {
    SetLogRank(1, 2);
    {
      const LogScope about(&kAbout);
      const LogScope no_other(nullptr);
      LogInfo("in");
    }
    LogInfo("out");
  };
  const std::string text = Logged(LogFormat::kText, say);
  EXPECT_THAT(text, HasSubstr("lockstep[rank 1]: in request_id=r-1 "
                              "trace_id=0af7651916cd43dd8448eb211c80319c\n"));
  EXPECT_THAT(text, EndsWith("lockstep[rank 1]: out\n"));
  const std::string lines = Logged(LogFormat::kJson, say);
  const Json in = Object(lines.substr(0, lines.find('\n') + 1));
  EXPECT_EQ(in["rank"], 1);
  EXPECT_EQ(in["request_id"], "r-1");
  EXPECT_EQ(in["trace_id"], kAbout.trace_id);
  EXPECT_FALSE(Object(lines.substr(lines.find('\n') + 1)).contains("request_id"));
}

// So that nobody forges a line or a field of it.
TEST(StructuredLog, QuotesWhatIsNoPlainWordInText) {
  EXPECT_THAT(Logged(LogFormat::kText,
                     [] {
                       LogEvent(LogLevel::kInfo, "m",
                                {{"a", "x y"}, {"b", "x\ny"}, {"c", ""}, {"d", nullptr}, {"e", 5}});
                     }),
              EndsWith("lockstep: m a=\"x y\" b=\"x\\ny\" c=\"\" e=5\n"));
}

TEST(StructuredLog, PassesLinesOnAndPutsThoseOfOtherProgramsIntoObjects) {
  const std::string own = Logged(LogFormat::kJson, [] { LogInfo("hello"); });
  const std::string own_again = Logged(
      LogFormat::kJson, [&] { WriteForeignLine(std::string_view(own).substr(0, own.size() - 1)); });
  EXPECT_EQ(own_again, own);
  const std::string foreign =
      Logged(LogFormat::kJson, [] { WriteForeignLine("[host:12] PMIX \"ERROR\""); });
  EXPECT_EQ(Object(foreign)["message"], "[host:12] PMIX \"ERROR\"");
  // Of a program of ours that does not write JSON yet, or of one that says it is.
  const std::string text = Logged(LogFormat::kJson, [] { WriteForeignLine("lockstep: hello"); });
  EXPECT_EQ(Object(text)["message"], "lockstep: hello");
  EXPECT_EQ(Logged(LogFormat::kText, [] { WriteForeignLine("as it is"); }), "as it is\n");
}

TEST(StructuredLog, SaysWhatAHandlerOfASignalSaysInEachFormat) {
  const auto say = [] { WriteLogInHandler("interrupted"); };
  EXPECT_EQ(Logged(LogFormat::kPlain, say), "lockstep: interrupted\n");
  EXPECT_THAT(Logged(LogFormat::kText, say), EndsWith("Z lockstep: interrupted\n"));
  const Json line = Object(Logged(LogFormat::kJson, say));
  EXPECT_EQ(line["message"], "interrupted");
  EXPECT_EQ(line["level"], "info");
}

TEST(IsLogLine, KnowsTheLinesOfEveryFormatAndNoOthers) {
  for (const LogFormat format : {LogFormat::kPlain, LogFormat::kText, LogFormat::kJson})
    EXPECT_TRUE(IsLogLine(Logged(format, [] { LogError("no"); })));
  for (const char* other : {"", "mpirun noticed", "[host:1] lockstep", "{}", "2026-11-28 lockstep"})
    EXPECT_FALSE(IsLogLine(other)) << other;
}

TEST(WriteTime, GivesTheTimeOfTheWholeWorld) {
  std::array<char, kTimeLength> text{};
  using std::chrono::milliseconds;
  WriteTime(std::chrono::system_clock::time_point(milliseconds(951782399007)), text);
  EXPECT_EQ(std::string(text.data(), text.size()), "2000-02-28T23:59:59.007Z");
  WriteTime(std::chrono::system_clock::time_point(milliseconds(951782400000)), text);
  EXPECT_EQ(std::string(text.data(), text.size()), "2000-02-29T00:00:00.000Z");
}

}  // namespace
}  // namespace lockstep
