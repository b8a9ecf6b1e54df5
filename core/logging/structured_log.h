#pragma once

#include <initializer_list>
#include <string_view>

#include "core/logging/log_format.h"

namespace lockstep {

// The log (core/log.h) of a server: lines with the time, in a format that programs read, and with
// the request that they are about. All may be called from any thread.

void SetLogFormat(LogFormat format);  // kPlain until then
LogFormat CurrentLogFormat();

// Lines of this thread are about a request, as long as this lives. Not across co_await.
class LogScope {
 public:
  // The label stays the caller's; null: they are about what they were about before.
  explicit LogScope(const LogLabel* label);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  const LogLabel* before_;
};

// A line with fields behind its message.
void LogEvent(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

// What another program has said, without the end of the line: as it is, or in JSON as a message. A
// line of this program's log stays what it is.
void WriteForeignLine(std::string_view line);

// A message of our own, without characters that JSON escapes. Takes no lock and no memory: for
// handlers of signals.
void WriteLogInHandler(std::string_view message);

}  // namespace lockstep
