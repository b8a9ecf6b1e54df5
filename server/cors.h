#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/routes.h"

namespace lockstep {

// Which pages of other origins browsers let ask (Cross-Origin Resource Sharing).
class CorsRules {
 public:
  // "https://example.com", with a port where it is not the usual one; "*": all. Throws BadInput for
  // what is no origin.
  explicit CorsRules(std::vector<std::string> origins);

  // What Access-Control-Allow-Origin says to a request with this Origin; empty: nothing.
  std::string AllowedOrigin(std::string_view origin) const;
  bool tells_origins_apart() const { return !all_ && !origins_.empty(); }

 private:
  std::vector<std::string> origins_;
  bool all_;
};

// The headers by which a browser says whose page asks.
struct PageRequest {
  std::string_view origin;      // empty: none
  std::string_view host;        // of this server, as it is called
  std::string_view fetch_site;  // Sec-Fetch-Site; empty over plain HTTP, but for this host's own
  std::string_view content_type;
};
// Whether that is a page of another origin, which a browser does not ask about before it sends what
// a form could send, too, such as text/plain. Programs that are no browsers say nothing of pages.
bool IsOfAnotherPage(const PageRequest& request);

// What a browser asks before it sends a request of another origin's page.
struct Preflight {
  std::string_view method;             // of HTTP
  std::string_view requested_method;   // Access-Control-Request-Method
  std::string_view requested_headers;  // Access-Control-Request-Headers
};
bool IsPreflight(const Preflight& request);
// 204, with the methods and headers that may be sent.
HttpAnswer AnswerPreflight(const Preflight& request);

}  // namespace lockstep
