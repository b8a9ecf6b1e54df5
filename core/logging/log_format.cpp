#include "core/logging/log_format.h"

#include <algorithm>
#include <array>

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kError: return "error";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kInfo: return "info";
    case LogLevel::kDebug: break;
  }
  return "debug";
}

std::string TimeText(std::chrono::system_clock::time_point time) {
  std::array<char, kTimeLength> text{};
  WriteTime(time, text);
  return {text.data(), text.size()};
}

// A value that has no blank and no quote stands as it is.
std::string ShownValue(const Json& value) {
  const auto is_plain = [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\'; };
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  }
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

template <typename Add>
void EachField(const LogLine& line, const Add& add) {
  if (line.about != nullptr) {
    if (!line.about->request_id.empty()) add("request_id", Json(line.about->request_id));
    if (!line.about->trace_id.empty()) add("trace_id", Json(line.about->trace_id));
  }
  for (const LogField& field : line.fields) add(field.name, field.value);
}

std::string TextLine(const LogLine& line) {
  std::string text = line.rank < 0 ? "lockstep: " : fmt::format("lockstep[rank {}]: ", line.rank);
  if (line.level == LogLevel::kError || line.level == LogLevel::kWarning)
    text += fmt::format("{}: ", NameOf(line.level));
  text += line.message;
  EachField(line, [&](std::string_view name, const Json& value) {
    if (!value.is_null()) text += fmt::format(" {}={}", name, ShownValue(value));
  });
  return text;
}

std::string JsonLine(const LogLine& line) {
  OrderedJson object;
  object["time"] = TimeText(line.time);
  object["level"] = NameOf(line.level);
  object["message"] = line.message;
  if (line.rank >= 0) object["rank"] = line.rank;
  EachField(line, [&](std::string_view name, const Json& value) {
    object[std::string(name)] = OrderedJson(value);
  });
  return object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void WriteDigits(long long number, std::span<char> to) {
  for (std::size_t i = to.size(); i-- > 0; number /= 10)
    to[i] = static_cast<char>('0' + number % 10);
}

}  // namespace

std::string FormatLogLine(LogFormat format, const LogLine& line) {
  switch (format) {
    case LogFormat::kPlain: return TextLine(line) + "\n";
    case LogFormat::kText: return TimeText(line.time) + " " + TextLine(line) + "\n";
    case LogFormat::kJson: break;
  }
  return JsonLine(line) + "\n";
}

bool IsJsonLogLine(std::string_view line) { return line.starts_with("{\"time\":\""); }

bool IsLogLine(std::string_view line) {
  if (line.starts_with("lockstep") || IsJsonLogLine(line)) return true;
  return line.size() > kTimeLength && line[kTimeLength - 1] == 'Z' &&
         line.substr(kTimeLength).starts_with(" lockstep");
}

void WriteTime(std::chrono::system_clock::time_point time, std::span<char, kTimeLength> to) {
  namespace chrono = std::chrono;
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  std::ranges::copy(kShape, to.begin());
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(day);
  const auto since = chrono::floor<chrono::milliseconds>(time) - day;
  WriteDigits(int{date.year()}, to.subspan(0, 4));
  WriteDigits(unsigned{date.month()}, to.subspan(5, 2));
  WriteDigits(unsigned{date.day()}, to.subspan(8, 2));
  WriteDigits(since / chrono::hours(1), to.subspan(11, 2));
  WriteDigits(since / chrono::minutes(1) % 60, to.subspan(14, 2));
  WriteDigits(since / chrono::seconds(1) % 60, to.subspan(17, 2));
  WriteDigits(since / chrono::milliseconds(1) % 1000, to.subspan(20, 3));
}

}  // namespace lockstep
