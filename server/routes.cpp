#include "server/routes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>

#include "core/error.h"
#include "core/log.h"
#include "runtime/options/words/nearest.h"
#include "server/page/playground.h"

namespace lockstep {
namespace {

struct Route {
  std::string_view method;
  std::string_view path;
  HttpAnswer (*answer)(Service& service, std::string_view body);
};

HttpAnswer Health(Service& service, std::string_view) {
  const std::string reason = service.unavailable();
  return reason.empty() ? HttpAnswer{} : AnswerOf(ApiError(503, reason));
}

struct SlowRoute {
  std::string_view path;
  SlowReader reader;
};

constexpr std::array<SlowRoute, 3> kSlowRoutes{{
    {"/v1/completions", &Service::ReadCompletion},
    {"/v1/chat/completions", &Service::ReadChat},
    {"/v1/embeddings", &Service::ReadEmbedding},
}};

constexpr std::string_view kLoadPath = "/v1/load";

constexpr std::array<Route, 10> kRoutes{{
    {"GET", "/", [](Service&, std::string_view) { return Playground(); }},
    {"GET", "/health", Health},
    {"GET", "/openapi.json",
     [](Service& service, std::string_view) { return HttpAnswer{.body = service.OpenApi()}; }},
    {"GET", "/v1/models",
     [](Service& service, std::string_view) { return HttpAnswer{.body = service.Models()}; }},
    {"GET", "/v1/defaults",
     [](Service& service, std::string_view) { return HttpAnswer{.body = service.Defaults()}; }},
    {"GET", "/version",
     [](Service& service, std::string_view) { return HttpAnswer{.body = service.Version()}; }},
    {"GET", "/metrics",
     [](Service& service, std::string_view) {
       return HttpAnswer{.body = service.MetricsText(), .type = "text/plain; version=0.0.4"};
     }},
    {"GET", "/tokenizer_info",
     [](Service& service, std::string_view) {
       return HttpAnswer{.body = service.TokenizerInfo()};
     }},
    {"POST", "/tokenize",
     [](Service& service, std::string_view body) {
       return HttpAnswer{.body = service.Tokenize(body)};
     }},
    {"POST", "/detokenize",
     [](Service& service, std::string_view body) {
       return HttpAnswer{.body = service.Detokenize(body)};
     }},
}};

// GET only; the rest of the path is the name, which may have slashes of its own.
constexpr std::string_view kModelPath = "/v1/models/";

// A target may have scheme and host before its path (RFC 9112, 3.2.2), as for a proxy.
std::string_view PathOf(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const auto scheme = path.find("://");
  if (path.starts_with('/') || scheme == std::string_view::npos) return path;
  const auto root = path.find('/', scheme + 3);
  return root == std::string_view::npos ? "/" : path.substr(root);
}

HttpAnswer WrongMethod(std::string_view method, std::string_view path, std::string_view allowed) {
  HttpAnswer answer =
      AnswerOf(ApiError(405, fmt::format("{} {}: expected {}", method, path, allowed)));
  answer.allow = allowed;
  return answer;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// "a%2Fb" is "a/b"; what is no such escape stays.
std::string Unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                           HexDigit(text[i + 2]) >= 0;
    result +=
        is_escape ? static_cast<char>(16 * HexDigit(text[i + 1]) + HexDigit(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return result;
}

ApiError ErrorOf(const Error& error) {
  if (error.code() == ExitCode::kBadInput) return ApiError(400, error.what());
  if (error.code() == ExitCode::kInterrupted)
    return ApiError(503, "the server was stopped before it had answered");
  if (error.code() == ExitCode::kRankFailure) return ApiError(500, error.what());
  LogError("a request was not answered: {}", error.what());
  return ApiError(500, "the server has failed; its log says why");
}

}  // namespace

HttpAnswer AnswerOf(const ApiError& error) {
  return {.status = static_cast<unsigned>(error.status()), .body = FormatApiError(error)};
}

HttpAnswer AnswerOfCurrentException() {
  try {
    throw;
  } catch (const ApiError& error) {
    return AnswerOf(error);
  } catch (...) {
    return AnswerOf(ErrorOf(CurrentError()));
  }
}

HttpAnswer AnswerToTooLong(int status, std::string_view part, std::int64_t most_bytes) {
  return AnswerOf(ApiError(
      status,
      fmt::format("the {} is longer than the {} bytes that the server takes", part, most_bytes)));
}

HttpAnswer AnswerToUnreadable(std::string_view why) {
  return AnswerOf(ApiError(400, fmt::format("this is no HTTP request: {}", why)));
}

bool TakesTime(std::string_view target) {
  const std::string_view path = PathOf(target);
  return path == "/tokenize" || path == "/detokenize";
}

SlowReader SlowReaderOf(std::string_view method, std::string_view target) {
  if (method != "POST") return nullptr;
  for (const SlowRoute& route : kSlowRoutes)
    if (route.path == PathOf(target)) return route.reader;
  return nullptr;
}

bool IsLoad(std::string_view method, std::string_view target) {
  return method == "POST" && PathOf(target) == kLoadPath;
}

bool NeedsKey(std::string_view target) {
  const std::string_view path = PathOf(target);
  constexpr std::array<std::string_view, 5> kOpen{"/", "/health", "/metrics", "/openapi.json",
                                                  "/version"};
  return std::ranges::find(kOpen, path) == kOpen.end();
}

bool IsBearer(std::string_view header, std::string_view key) {
  constexpr std::string_view kScheme = "bearer ";
  // The name of a scheme may be written in any case.
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  const bool has_scheme = std::ranges::equal(header.substr(0, kScheme.size()), kScheme, same);
  const std::string_view given = has_scheme ? header.substr(kScheme.size()) : "";
  unsigned difference = given.size() == key.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(key[key.empty() ? 0 : i % key.size()]);
  return has_scheme && !key.empty() && difference == 0;
}

std::vector<RouteName> RouteNames() {
  std::vector<RouteName> names;
  for (const Route& route : kRoutes) names.push_back({route.method, route.path});
  for (const SlowRoute& route : kSlowRoutes) names.push_back({"POST", route.path});
  names.push_back({"POST", kLoadPath});
  names.push_back({"GET", "/v1/models/{model}"});
  return names;
}

namespace {

// A base URL with /v1 twice, or without it, is what most often goes wrong.
HttpAnswer NoSuchRoute(std::string_view path) {
  std::vector<std::string> paths;
  for (const RouteName& route : RouteNames()) paths.emplace_back(route.path);
  const std::string close = CloseName(path, paths);
  return AnswerOf(
      ApiError(404, fmt::format("there is no {}; {}", path,
                                close.empty() ? std::string("GET /openapi.json lists what there is")
                                              : "the nearest is " + close)));
}

}  // namespace

HttpAnswer AnswerPlain(Service& service, std::string_view method, std::string_view target,
                       std::string_view body) {
  const std::string_view path = PathOf(target);
  for (const SlowRoute& route : kSlowRoutes)
    if (route.path == path) return WrongMethod(method, path, "POST");
  if (path == kLoadPath) return WrongMethod(method, path, "POST");
  try {
    for (const Route& route : kRoutes) {
      if (route.path != path) continue;
      if (route.method != method) return WrongMethod(method, path, route.method);
      return route.answer(service, body);
    }
    if (path.starts_with(kModelPath)) {
      if (method != "GET") return WrongMethod(method, path, "GET");
      return {.body = service.Model(Unescaped(path.substr(kModelPath.size())))};
    }
  } catch (...) {
    return AnswerOfCurrentException();
  }
  return NoSuchRoute(path);
}

std::string EventWriter::DataOf(std::vector<CallEvent>& events) {
  std::string data;
  const auto add = [&](const std::string& json) { data += "data: " + json + "\n\n"; };
  for (CallEvent& event : events) {
    if (event.piece) {
      if (const std::string opening = reply_.Opening(*event.piece); !opening.empty()) add(opening);
      add(reply_.Chunk(event.prompt, *event.piece));
    }
    if (event.result) --open_;
    if (event.error) {
      add(FormatApiError(ErrorOf(*event.error)));
      failed_ = true;
      open_ = 0;
      return data;
    }
  }
  if (open_ > 0) return data;
  if (request_.include_usage) add(reply_.UsageChunk());
  return data + "data: [DONE]\n\n";
}

}  // namespace lockstep
