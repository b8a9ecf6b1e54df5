#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/http/request_log.h"
#include "server/service.h"

namespace lockstep {

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;               // 0: any that is free
  std::vector<std::string> api_keys = {};  // empty: none is wanted; of several each is a client
  std::int64_t trusted_proxies = 0;        // as IdOf()
  std::int64_t most_body_bytes = std::int64_t{32} << 20;
  std::vector<std::string> cors_origins = {};  // as CorsRules takes them
  std::string tls_cert = {};                   // as TlsFiles; empty: no TLS
  std::string tls_key = {};
  RequestLogging logging = RequestLogging::kOff;
  // For a client to send a whole request, or to take a part of an answer.
  std::chrono::milliseconds patience = std::chrono::seconds{60};
};

// Answers HTTP/1.1 on a thread of its own, all connections together.
//
// Thread safety: for one thread, beside that of its own.
class HttpServer {
 public:
  // Listens at once. The service stays the caller's and outlives it. Throws EnvironmentError that
  // names the address where it cannot listen, and BadInput for origins that are none, and as
  // OpenTls().
  HttpServer(const HttpOptions& options, Service& service);
  // Closes every connection.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  // Takes no new connection; ends those that idle.
  void Drain();
  // Answers that have not been sent to their end.
  std::int64_t open_answers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
