#include "complete/line_reader.h"

#include <editline/readline.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string_view>

namespace lockstep {
namespace {

constexpr int kMostLines = 1000;
// Asks the terminal to send what is pasted without marks around it, which the editor would take for
// keys.
constexpr const char* kPlainPaste = "\x1b[?2004l";

// As the XDG base directory specification has it; empty where there is no home.
std::string HistoryFile() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path folder;
  if (state != nullptr && *state != '\0')
    folder = state;
  else if (home != nullptr && *home != '\0')
    folder = std::filesystem::path(home) / ".local/state";
  else
    return "";
  std::error_code failed;
  std::filesystem::create_directories(folder / "lockstep", failed);
  return failed ? "" : (folder / "lockstep/complete_history").string();
}

// The editor takes characters as the locale has them; in "C" it drops all that are not ASCII.
// Numbers stay as they are.
void UseUnicode() {
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1)
    std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

LineReader::LineReader() : is_terminal_(::isatty(STDIN_FILENO) != 0) {
  if (!is_terminal_) return;
  UseUnicode();
  history_file_ = HistoryFile();
  // A text has no names of files to complete.
  rl_bind_key('\t', rl_insert);
  const char* terminal = std::getenv("TERM");
  const bool has_marks = terminal != nullptr && std::string_view(terminal) != "dumb";
  if (has_marks && ::isatty(STDOUT_FILENO) != 0) std::cout << kPlainPaste << std::flush;
  using_history();
  stifle_history(kMostLines);
  if (!history_file_.empty()) read_history(history_file_.c_str());
}

LineReader::~LineReader() {
  if (is_terminal_ && !history_file_.empty()) write_history(history_file_.c_str());
}

std::optional<std::string> LineReader::Read(const char* prompt,
                                            const std::function<bool()>& interrupted) {
  if (!is_terminal_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  for (;;) {
    const std::unique_ptr<char, decltype(&std::free)> line(readline(prompt), &std::free);
    // At Ctrl-C the editor returns with no line or with an empty one.
    if (interrupted()) {
      std::cout << "\n(Ctrl-D or /quit ends)" << std::endl;
      continue;
    }
    if (line == nullptr) return std::nullopt;
    if (*line != '\0') add_history(line.get());
    return std::string(line.get());
  }
}

}  // namespace lockstep
