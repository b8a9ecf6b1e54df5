#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/log.h"
#include "core/logging/log_choice.h"

namespace lockstep {

// A value beside the message, of a name that programs can look for.
struct LogField {
  std::string_view name;
  Json value;
};

// The request that a line is about; empty: none.
struct LogLabel {
  std::string request_id;
  std::string trace_id;  // of OpenTelemetry
};

struct LogLine {
  LogLevel level = LogLevel::kInfo;
  int rank = -1;  // -1: said for all of them
  std::string_view message;
  std::chrono::system_clock::time_point time;
  const LogLabel* about = nullptr;
  std::span<const LogField> fields = {};
};

// One line, with its end. In JSON it is a valid object whatever the bytes of its texts.
std::string FormatLogLine(LogFormat format, const LogLine& line);

// Whether FormatLogLine() has made it, in any format, rather than another program.
bool IsLogLine(std::string_view line);

// Whether it is one of LogFormat::kJson.
bool IsJsonLogLine(std::string_view line);

// "2026-11-28T20:00:50.123Z", without the end of a string. Takes no lock and no memory, so that
// handlers of signals may call it.
inline constexpr std::size_t kTimeLength = 24;
void WriteTime(std::chrono::system_clock::time_point time, std::span<char, kTimeLength> to);

}  // namespace lockstep
