#include "server/cors.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

bool EqualWithoutCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::ranges::equal(a, b, {}, lower, lower);
}

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

bool IsSentWithoutAsking(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return type.empty() || EqualWithoutCase(type, "text/plain") ||
         EqualWithoutCase(type, "application/x-www-form-urlencoded") ||
         EqualWithoutCase(type, "multipart/form-data");
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

bool IsOfAnotherPage(const PageRequest& request) {
  if (request.fetch_site == "cross-site" || request.fetch_site == "same-site") return true;
  if (request.origin.empty() || !request.fetch_site.empty()) return false;
  const auto scheme = request.origin.find("://");
  const bool is_own = scheme != request.origin.npos &&
                      EqualWithoutCase(request.origin.substr(scheme + 3), request.host);
  return !is_own && IsSentWithoutAsking(request.content_type);
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
