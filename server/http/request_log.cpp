#include "server/http/request_log.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/logging/structured_log.h"

namespace lockstep {
namespace {

constexpr std::size_t kMostRouteBytes = 200;
constexpr unsigned kClientLeft = 499;  // as nginx logs it

using Clock = ServedRequest::Clock;

// Null where one of the two has not come.
Json Milliseconds(std::optional<Clock::time_point> from, std::optional<Clock::time_point> to) {
  if (!from || !to) return nullptr;
  return std::round(std::chrono::duration<double, std::micro>(*to - *from).count()) / 1000.0;
}

std::string_view EndOf(const ServedRequest& request) {
  if (request.outcome == ServedRequest::Outcome::kLeft) return "cancelled";
  if (request.outcome == ServedRequest::Outcome::kBroken) return "error";
  if (request.prompt_tokens && request.status >= 400) return "error";  // it had been accepted
  if (request.status == 503 || (request.status >= 400 && request.status < 500)) return "refused";
  if (request.status >= 500) return "error";
  if (!request.progress || request.progress->finish == FinishReason::kNone) return "answered";
  return request.progress->finish == FinishReason::kLength ? "length" : "stop";
}

// What is asked every few seconds by programs that watch a server.
LogLevel LevelOf(const ServedRequest& request) {
  constexpr std::array<std::string_view, 3> kProbes{"GET /health", "GET /metrics", "GET /version"};
  const bool is_probe = std::ranges::find(kProbes, request.route) != kProbes.end();
  return is_probe && request.status < 400 ? LogLevel::kDebug : LogLevel::kInfo;
}

Json OrNull(const std::optional<std::int64_t>& number) {
  return number ? Json(*number) : Json(nullptr);
}

}  // namespace

std::int64_t PromptTokensOf(const ApiRequest& request) {
  std::int64_t count = 0;
  for (const LineRequest& prompt : request.prompts) count += std::ssize(prompt.request.tokens);
  return count;
}

std::string RouteOf(std::string_view method, std::string_view target) {
  std::string route = fmt::format("{} {}", method, target.substr(0, target.find('?')));
  if (route.size() > kMostRouteBytes) route = route.substr(0, kMostRouteBytes) + "...";
  return route;
}

void RequestLog::NoteAccepted(const ServedRequest& request) const {
  if (logging_ == RequestLogging::kOff) return;
  const LogScope about(&request.name.label);
  LogEvent(LogLevel::kInfo, "request accepted",
           {{"route", request.route}, {"prompt_tokens", OrNull(request.prompt_tokens)}});
}

void RequestLog::NoteEnd(const ServedRequest& request) const {
  if (logging_ == RequestLogging::kOff) return;
  const LogScope about(&request.name.label);
  const bool has_left = request.outcome == ServedRequest::Outcome::kLeft;
  const Json status = has_left ? kClientLeft : request.status;
  const Json total = Milliseconds(request.begun, Clock::now());
  const LogField route{"route", request.route}, end{"ended", EndOf(request)};
  if (!request.progress)
    return LogEvent(LevelOf(request), "request ended",
                    {route, {"status", status}, end, {"total_ms", total}});
  const CallProgress& call = *request.progress;
  LogEvent(LogLevel::kInfo, "request ended",
           {route,
            {"status", status},
            end,
            {"prompt_tokens", OrNull(request.prompt_tokens)},
            {"new_tokens", call.new_tokens},
            {"queue_ms", Milliseconds(call.submitted, call.begun)},
            {"first_token_ms", Milliseconds(request.begun, call.first_token)},
            {"total_ms", total}});
}

}  // namespace lockstep
