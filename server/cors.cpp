#include "server/cors.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

void CheckOrigin(std::string_view origin) {
  const auto scheme = origin.find("://");
  const bool named = scheme != origin.npos && scheme > 0 && scheme + 3 < origin.size() &&
                     origin.find('/', scheme + 3) == origin.npos;
  if (!named && origin != "*")
    throw BadInput(
        "server.cors_origins: \"{}\" is no origin; expected a scheme and a host, such as "
        "\"https://example.com\", and no path, or \"*\"",
        origin);
}

}  // namespace

CorsRules::CorsRules(std::vector<std::string> origins) : origins_(std::move(origins)) {
  for (const std::string& origin : origins_) CheckOrigin(origin);
  all_ = std::ranges::find(origins_, "*") != origins_.end();
}

std::string CorsRules::AllowedOrigin(std::string_view origin) const {
  if (origin.empty()) return "";
  if (all_) return "*";
  const bool known = std::ranges::find(origins_, origin) != origins_.end();
  return known ? std::string(origin) : "";
}

bool IsOfAnotherPage(std::string_view fetch_site) {
  return fetch_site == "cross-site" || fetch_site == "same-site";
}

bool IsPreflight(const Preflight& request) {
  return request.method == "OPTIONS" && !request.requested_method.empty();
}

HttpAnswer AnswerPreflight(const Preflight& request) {
  HttpAnswer answer{.status = 204};
  answer.headers = {{"Access-Control-Allow-Methods", "GET, POST"},
                    {"Access-Control-Max-Age", "600"}};
  if (!request.requested_headers.empty())
    answer.headers.emplace_back("Access-Control-Allow-Headers",
                                std::string(request.requested_headers));
  return answer;
}

}  // namespace lockstep
