#include "terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <stdexcept>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

constexpr int kPatienceMs = 60'000;
constexpr int kTries = 60;

// In the child: the terminal is where it reads and writes, and where its signals come from.
void SitDownAt(const char* terminal) {
  ::setsid();
  const int slave = ::open(terminal, O_RDWR);
  ::ioctl(slave, TIOCSCTTY, 0);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(slave, stream);
  ::close(slave);
}

}  // namespace

Terminal::Terminal(const std::vector<std::string>& arguments, const std::string& home,
                   const char* kind)
    : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0)
    throw std::runtime_error("no terminal");
  const std::string name = ::ptsname(master_);
  std::vector<std::string> words{BuiltProgram()};
  const std::vector<std::string> fixed = WithFixedDtype(arguments);
  words.insert(words.end(), fixed.begin(), fixed.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  process_ = ::fork();
  if (process_ != 0) return;
  SitDownAt(name.c_str());
  ::setenv("TERM", kind, 1);
  ::setenv("HOME", home.c_str(), 1);
  ::unsetenv("XDG_STATE_HOME");
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Terminal::~Terminal() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ::close(master_);
}

void Terminal::Type(const std::string& text) const {
  if (::write(master_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("the terminal takes nothing");
}

// False where nothing comes any more.
bool Terminal::ReadMore(int patience_ms) {
  pollfd polled{master_, POLLIN, 0};
  if (::poll(&polled, 1, patience_ms) <= 0) return false;
  char buffer[4096];
  const ssize_t bytes = ::read(master_, buffer, sizeof(buffer));
  if (bytes <= 0) return false;
  screen_.append(buffer, static_cast<std::size_t>(bytes));
  return true;
}

void Terminal::Await(const std::string& text) {
  std::size_t found = screen_.find(text, seen_);
  for (; found == std::string::npos; found = screen_.find(text, seen_))
    if (!ReadMore(kPatienceMs))
      throw std::runtime_error("\"" + text + "\" does not come: " + screen_);
  seen_ = found + text.size();
}

void Terminal::AwaitPrompt() {
  Await("> ");
  termios mode{};
  for (int waited_ms = 0; waited_ms < kPatienceMs; ++waited_ms) {
    if (::tcgetattr(master_, &mode) == 0 && (mode.c_lflag & ICANON) == 0) return;
    ::usleep(1000);
  }
  throw std::runtime_error("the editor takes no keys: " + screen_);
}

void Terminal::Press(const char* key, const std::string& text) {
  for (int tries = 0; tries < kTries; ++tries) {
    Type(key);
    while (ReadMore(kPatienceMs / kTries) && screen_.find(text, seen_) == std::string::npos) {
    }
    if (screen_.find(text, seen_) != std::string::npos) break;
  }
  Await(text);
}

int Terminal::Wait() {
  while (ReadMore(kPatienceMs)) {
  }
  int status = 0;
  for (int tries = 0; ::waitpid(process_, &status, WNOHANG) != process_; ++tries) {
    if (tries == kTries) throw std::runtime_error("the program does not end: " + screen_);
    ::usleep(100'000);
  }
  process_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace lockstep
