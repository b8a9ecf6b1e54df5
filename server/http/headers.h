#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/beast/http.hpp>

#include "server/cors.h"
#include "server/http/client_id.h"
#include "server/http/request_log.h"
#include "server/routes.h"

namespace lockstep {

// What stands in the headers of requests and answers.

using HttpRequest = boost::beast::http::request<boost::beast::http::string_body>;
using HttpResponse = boost::beast::http::response<boost::beast::http::string_body>;

inline constexpr const char* kIdHeader = "X-Request-Id";
inline constexpr const char* kTraceHeader = "traceparent";

// Empty where there is none.
std::string_view HeaderOf(const HttpRequest& request, boost::beast::http::field field);

// Why a request is not looked at, by its headers alone: a page asks whose origin is not allowed, or
// the body is compressed. None where it may be answered.
std::optional<HttpAnswer> RefusalOfHeaders(const HttpRequest& request, bool origin_is_allowed);

// In their order.
std::vector<std::string_view> ForwardedFor(const HttpRequest& request);

// By its names where it has each once, and its route. The request may be one that cannot be read.
ServedRequest RecordOf(const HttpRequest& request);

// Whether If-None-Match wants none of this tag: a list, tags that a proxy has weakened, or "*".
bool MatchesTag(std::string_view wanted, std::string_view tag);

// The answer and the headers that follow from it alone.
HttpResponse ResponseOf(HttpAnswer answer, unsigned version);

// With a list of origins an answer depends on who asks, and caches are to know.
template <typename Head>
void SetOrigin(const CorsRules& cors, const std::string& origin, Head& head) {
  using boost::beast::http::field;
  if (cors.tells_origins_apart()) head.set(field::vary, "Origin");
  if (origin.empty()) return;
  head.set(field::access_control_allow_origin, origin);
  head.set(field::access_control_expose_headers, kIdHeader);
}

// By what the client finds its request in the log.
template <typename Head>
void SetName(const RequestName& name, Head& head) {
  head.set(kIdHeader, name.label.request_id);
  if (!name.traceparent.empty()) head.set(kTraceHeader, name.traceparent);
}

}  // namespace lockstep
