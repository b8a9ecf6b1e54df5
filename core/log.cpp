#include "core/log.h"

#include <unistd.h>

#include <atomic>
#include <string>

namespace lockstep {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<int> g_rank{-1};

std::string_view Prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kError: return "error: ";
    case LogLevel::kWarning: return "warning: ";
    case LogLevel::kInfo:
    case LogLevel::kDebug: break;
  }
  return "";
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }

bool IsLogged(LogLevel level) { return level <= g_level.load(); }

void SetLogRank(int rank, int world_size) { g_rank = world_size > 1 ? rank : -1; }

void WriteLog(LogLevel level, std::string_view message) {
  if (!IsLogged(level)) return;
  const int rank = g_rank.load();
  const std::string who = rank < 0 ? "lockstep" : fmt::format("lockstep[rank {}]", rank);
  const std::string line = fmt::format("{}: {}{}\n", who, Prefix(level), message);
  // A log line that cannot be written has nowhere to complain to.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace lockstep
