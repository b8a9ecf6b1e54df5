#include "runtime/world/rank_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "core/error.h"

namespace lockstep {
namespace {

// How far the parent has read the file, or 0.
off_t Position(const std::string& process) {
  std::ifstream info(process + "/fdinfo/0");
  std::string key;
  off_t position = 0;
  while (info >> key) {
    if (key == "pos:" && info >> position) return position;
  }
  return 0;
}

}  // namespace

void AdoptParentInput(const RankBoard& board) {
  const std::string process = fmt::format("/proc/{}", board.parent());
  // Nonblocking: a named pipe whose writer has come and gone would hold us here for ever.
  const int input = ::open((process + "/fd/0").c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (input < 0) return;
  if (::isatty(input) == 0) {
    ::fcntl(input, F_SETFL, ::fcntl(input, F_GETFL) & ~O_NONBLOCK);
    ::lseek(input, Position(process), SEEK_SET);  // of a pipe: refused, and not needed
    ::dup2(input, STDIN_FILENO);
  }
  ::close(input);
}

}  // namespace lockstep
