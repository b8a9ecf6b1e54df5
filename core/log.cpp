#include "core/log.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <utility>

#include "core/logging/structured_log.h"

namespace lockstep {
namespace {

using std::chrono::system_clock;

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<int> g_rank{-1};
std::atomic<LogFormat> g_format{LogFormat::kPlain};
static_assert(std::atomic<LogFormat>::is_always_lock_free, "handlers may not take locks");
thread_local const LogLabel* g_about = nullptr;

// A log line that cannot be written has nowhere to complain to.
void WriteBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Write(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!IsLogged(level)) return;
  WriteBytes(FormatLogLine(g_format, {.level = level,
                                      .rank = g_rank,
                                      .message = message,
                                      .time = system_clock::now(),
                                      .about = g_about,
                                      .fields = fields}));
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }

bool IsLogged(LogLevel level) { return level <= g_level.load(); }

void SetLogRank(int rank, int world_size) { g_rank = world_size > 1 ? rank : -1; }

void WriteLog(LogLevel level, std::string_view message) { Write(level, message, {}); }

void SetLogFormat(LogFormat format) { g_format = format; }

LogFormat CurrentLogFormat() { return g_format; }

LogScope::LogScope(const LogLabel* label) : before_(g_about) {
  if (label != nullptr) g_about = label;
}

LogScope::~LogScope() { g_about = before_; }

void LogEvent(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  Write(level, message, {fields.begin(), fields.size()});
}

void WriteForeignLine(std::string_view line) {
  if (g_format != LogFormat::kJson || IsJsonLogLine(line))
    return WriteBytes(fmt::format("{}\n", line));
  if (!line.empty()) Write(LogLevel::kError, line, {});
}

void WriteLogInHandler(std::string_view message) {
  std::array<char, 256> line{};
  std::size_t size = 0;
  const auto add = [&](std::string_view text) {
    const std::size_t count = std::min(text.size(), line.size() - size);
    std::copy_n(text.begin(), count, line.begin() + size);
    size += count;
  };
  std::array<char, kTimeLength> time{};
  WriteTime(system_clock::now(), time);
  const std::string_view now(time.data(), time.size());
  switch (g_format.load()) {
    case LogFormat::kPlain:
      for (const auto part : {std::string_view("lockstep: "), message}) add(part);
      break;
    case LogFormat::kText:
      for (const auto part : {now, std::string_view(" lockstep: "), message}) add(part);
      break;
    case LogFormat::kJson:
      for (const auto part : {std::string_view(R"({"time":")"), now,
                              std::string_view(R"(","level":"info","message":")"), message,
                              std::string_view(R"("})")})
        add(part);
  }
  add("\n");
  WriteBytes({line.data(), size});
}

}  // namespace lockstep
