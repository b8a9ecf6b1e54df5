#include "server/http/request_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <random>

namespace lockstep {
namespace {

constexpr std::size_t kMostIdBytes = 128;

// In a header, a log and a command line it stands for itself.
bool IsId(std::string_view id) {
  const auto fits = [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\'; };
  return !id.empty() && id.size() <= kMostIdBytes && std::ranges::all_of(id, fits);
}

std::string NewId() {
  static thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return fmt::format("{:016x}{:016x}", random(), random());
}

bool IsHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

// "00-<trace id>-<parent id>-<flags>"; later versions may have more behind it.
constexpr std::size_t kTraceBegin = 3, kTraceLength = 32;
constexpr std::size_t kParentBegin = 36, kParentLength = 16;
constexpr std::size_t kFlagsBegin = 53, kWholeLength = 55;

bool IsTraceparent(std::string_view text) {
  if (text.size() < kWholeLength || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return false;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(kTraceBegin, kTraceLength);
  const std::string_view parent = text.substr(kParentBegin, kParentLength);
  if (!IsHex(version) || !IsHex(trace) || !IsHex(parent) || !IsHex(text.substr(kFlagsBegin, 2)))
    return false;
  if (version == "ff" || IsZero(trace) || IsZero(parent)) return false;
  if (text.size() == kWholeLength) return true;
  return version != "00" && text[kWholeLength] == '-';
}

}  // namespace

RequestName NameRequest(const RequestHeaders& headers) {
  RequestName name;
  name.label.request_id = IsId(headers.id) ? std::string(headers.id) : NewId();
  if (!IsTraceparent(headers.traceparent)) return name;
  name.label.trace_id = headers.traceparent.substr(kTraceBegin, kTraceLength);
  name.traceparent = headers.traceparent;
  return name;
}

}  // namespace lockstep
