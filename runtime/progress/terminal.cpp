#include "runtime/progress/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string>

namespace lockstep {
namespace {

// Set for the ranks we start when our own standard error is a terminal: theirs is a pipe. Its value
// is the number of columns.
constexpr const char* kTerminalVariable = "LOCKSTEP_STDERR_IS_TERMINAL";
// The same of standard output.
constexpr const char* kOutputVariable = "LOCKSTEP_STDOUT_IS_TERMINAL";
constexpr std::size_t kUsualColumns = 80;

std::size_t ColumnsOfParent() {
  const char* variable = std::getenv(kTerminalVariable);
  const std::string_view text = variable != nullptr ? variable : "";
  std::size_t columns = 0;
  std::from_chars(text.data(), text.data() + text.size(), columns);
  return columns;
}

}  // namespace

bool StderrIsTerminal() {
  return ::isatty(STDERR_FILENO) != 0 || std::getenv(kTerminalVariable) != nullptr;
}

bool StdoutIsTerminal() {
  return ::isatty(STDOUT_FILENO) != 0 || std::getenv(kOutputVariable) != nullptr;
}

std::size_t StderrColumns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
  const std::size_t columns = known ? size.ws_col : ColumnsOfParent();
  return columns > 1 ? columns : kUsualColumns;
}

void TellRanksOfTerminal() {
  if (::isatty(STDERR_FILENO) != 0)
    ::setenv(kTerminalVariable, std::to_string(StderrColumns()).c_str(), 1);
  if (::isatty(STDOUT_FILENO) != 0) ::setenv(kOutputVariable, "1", 1);
}

std::string_view FittingLine(std::string_view line, std::size_t columns) {
  return line.substr(0, columns > 0 ? columns - 1 : 0);
}

}  // namespace lockstep
