#include "server/http/headers.h"

#include <fmt/format.h>

#include <iterator>

#include "core/json.h"

namespace lockstep {
namespace {

namespace http = boost::beast::http;

template <typename Text>
std::string_view View(const Text& text) {
  return {text.data(), text.size()};
}

// Of two headers of one name nobody knows which one is meant.
std::string_view OnlyOne(const HttpRequest& request, const char* name) {
  const auto [first, last] = request.equal_range(name);
  return first != last && std::next(first) == last ? View(first->value()) : std::string_view();
}

}  // namespace

std::string_view HeaderOf(const HttpRequest& request, http::field field) {
  return View(request[field]);
}

std::optional<HttpAnswer> RefusalOfHeaders(const HttpRequest& request, bool origin_is_allowed) {
  if (!origin_is_allowed && request.method() == http::verb::post &&
      IsOfAnotherPage({.origin = HeaderOf(request, http::field::origin),
                       .host = HeaderOf(request, http::field::host),
                       .fetch_site = View(request["Sec-Fetch-Site"]),
                       .content_type = HeaderOf(request, http::field::content_type)}))
    return AnswerOf(ApiError(
        403, "a page of another origin may not ask; server.cors_origins names those that may"));
  const auto [first, last] = request.equal_range(http::field::content_encoding);
  for (auto encoding = first; encoding != last; ++encoding)
    if (!boost::beast::iequals(encoding->value(), "identity"))
      return AnswerOf(
          ApiError(415, fmt::format("the body's Content-Encoding is {}; send it as it is",
                                    ShownJson(std::string(encoding->value())))));
  return std::nullopt;
}

std::vector<std::string_view> ForwardedFor(const HttpRequest& request) {
  std::vector<std::string_view> lines;
  const auto [first, last] = request.equal_range("X-Forwarded-For");
  for (auto line = first; line != last; ++line) lines.push_back(View(line->value()));
  return lines;
}

ServedRequest RecordOf(const HttpRequest& request) {
  ServedRequest record;
  record.name = NameRequest(
      {.id = OnlyOne(request, kIdHeader), .traceparent = OnlyOne(request, kTraceHeader)});
  const std::string_view method = View(request.method_string());
  record.route = method.empty() ? "unreadable" : RouteOf(method, View(request.target()));
  return record;
}

bool MatchesTag(std::string_view wanted, std::string_view tag) {
  if (tag.empty() || wanted.empty()) return false;
  if (wanted == "*") return true;
  // A tag is in quotes: in a list, or with W/ before it, it is still there as it is.
  return wanted.find(tag) != std::string_view::npos;
}

HttpResponse ResponseOf(HttpAnswer answer, unsigned version) {
  HttpResponse response(static_cast<http::status>(answer.status), version);
  if (!answer.type.empty() && answer.status != 204)
    response.set(http::field::content_type, answer.type);
  response.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : answer.headers) response.set(name, value);
  if (!answer.etag.empty()) response.set(http::field::etag, answer.etag);
  if (!answer.etag.empty()) response.set(http::field::cache_control, "no-cache");
  if (!answer.policy.empty()) response.set("Content-Security-Policy", answer.policy);
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (answer.status == 503) response.set(http::field::retry_after, "1");
  if (answer.status == 401) response.set(http::field::www_authenticate, "Bearer");
  response.body() = std::move(answer.body);
  // Neither has a body, nor a length of one (RFC 9110, 8.6).
  if (answer.status != 204 && answer.status != 304) response.prepare_payload();
  return response;
}

}  // namespace lockstep
