// lockstep complete at a terminal: keys that only a terminal has.
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "fake_server.h"
#include "terminal.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// Texts that begin with "endless" are continued for ever, others by one word.
std::string Answer(const std::string& request) {
  if (request.starts_with("GET /v1/models"))
    return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"data\": [{\"id\": \"m\"}]}";
  const bool endless = request.find("\"prompt\":\"endless") != std::string::npos;
  const bool french = request.find("\"prompt\":\"Rom\u00e9o\"") != std::string::npos;
  std::string head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n";
  if (endless) head += "Test-Goes-On: 1\r\n";
  const std::string piece = R"({"choices": [{"text": ")" +
                            std::string(endless  ? " beginning"
                                        : french ? " repond"
                                                 : " answered") +
                            R"(", "finish_reason": )" + (endless ? "null" : R"("stop")") + "}]}";
  return head + "\r\ndata: " + piece + "\n\n" + (endless ? "" : "data: [DONE]\n\n");
}

class CompleteAtATerminal : public testing::Test {
 protected:
  const TemporaryFolder home_;
  std::atomic<int> tabs_ = 0;  // texts with one that were asked for
  FakeServer server_{[this](const std::string& request) {
    if (request.find("\"prompt\":\"tab\\there\"") != std::string::npos) ++tabs_;
    return Answer(request);
  }};
  Terminal terminal_{{"complete", "--url", server_.url()}, home_.path().string()};
};

TEST_F(CompleteAtATerminal, CtrlCEndsOneAnswerAndTheEditorGoesOn) {
  terminal_.AwaitPrompt();
  terminal_.Type("endless\r");
  terminal_.Await(" beginning");
  terminal_.Press(Terminal::kCtrlC, "(ended by Ctrl-C; /more goes on)");
  terminal_.AwaitPrompt();
  terminal_.Type("short\r");
  terminal_.Await(" answered");
  EXPECT_EQ(server_.left(), 1) << "the server was told";
  terminal_.AwaitPrompt();
  terminal_.Type(Terminal::kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
  EXPECT_EQ(server_.asked(), 3);
}

TEST_F(CompleteAtATerminal, CtrlCGivesUpTheLineAndSaysHowToEnd) {
  terminal_.AwaitPrompt();
  terminal_.Type("never asked");
  terminal_.Await("never asked");
  terminal_.Press(Terminal::kCtrlC, "(Ctrl-D or /quit ends)");
  terminal_.AwaitPrompt();
  terminal_.Press(Terminal::kCtrlC, "(Ctrl-D or /quit ends)");  // at an empty prompt
  terminal_.AwaitPrompt();
  terminal_.Type("short\r");
  terminal_.Await(" answered");
  terminal_.AwaitPrompt();
  terminal_.Type("/quit\r");
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
  EXPECT_EQ(server_.asked(), 2) << "of the model, and of the one line";
}

TEST_F(CompleteAtATerminal, TakesCharactersOfEveryLanguage) {
  terminal_.AwaitPrompt();
  terminal_.Type("Rom\u00e9o\r");
  terminal_.Await(" repond");
  terminal_.AwaitPrompt();
  terminal_.Type(Terminal::kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
}

// An answer that has ended leaves no Ctrl-C behind for the next one.
TEST_F(CompleteAtATerminal, MoreGoesOnBehindAnAnswerThatWasEnded) {
  terminal_.AwaitPrompt();
  terminal_.Type("endless\r");
  terminal_.Await(" beginning");
  terminal_.Press(Terminal::kCtrlC, "/more goes on)");
  terminal_.AwaitPrompt();
  terminal_.Type("/more\r");
  terminal_.Await(" beginning");
  terminal_.Press(Terminal::kCtrlC, "/more goes on)");
  terminal_.AwaitPrompt();
  terminal_.Type(Terminal::kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
  EXPECT_EQ(server_.asked(), 3);
}

TEST_F(CompleteAtATerminal, TabIsACharacterOfTheText) {
  terminal_.AwaitPrompt();
  terminal_.Type("tab\there\r");
  terminal_.Await(" answered");
  EXPECT_EQ(tabs_, 1) << terminal_.screen();
  terminal_.AwaitPrompt();
  terminal_.Type(Terminal::kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0);
}

TEST(CompleteAtATerminalOfOurDays, HasWhatIsPastedSentWithoutMarks) {
  const TemporaryFolder home;
  FakeServer server(Answer);
  Terminal terminal({"complete", "--url", server.url()}, home.path().string(), "xterm");
  terminal.AwaitPrompt();
  EXPECT_NE(terminal.screen().find("\x1b[?2004l"), std::string::npos);
  terminal.Type(Terminal::kCtrlD);
  EXPECT_EQ(terminal.Wait(), 0);
}

}  // namespace
}  // namespace lockstep
