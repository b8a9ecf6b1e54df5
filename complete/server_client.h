#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/server_address.h"
#include "api/tls/server_trust.h"
#include "core/json.h"

namespace lockstep {

// A client of one server with OpenAI's completions.
// Not thread-safe: one thread makes every call.
class ServerClient {
 public:
  // api_key: empty where none is wanted. tls_ca: as ServerTrust's, and throws as that.
  ServerClient(const ServerAddress& address, std::string api_key, const std::string& tls_ca = "")
      : address_(address), trust_(address, tls_ca), api_key_(std::move(api_key)) {}

  // Asked every tenth of a second while an answer is awaited; true breaks it off.
  using Stop = std::function<bool()>;

  // The name of the model that is served. Throws as Complete().
  std::string ModelName(const Stop& stop);

  // How many tokens a text has and the model's context holds; nothing where the server does not say
  // (POST /tokenize, as of vLLM).
  struct TextLength {
    std::int64_t tokens = 0;
    std::int64_t context = 0;
  };
  std::optional<TextLength> LengthOf(const std::string& text, const Stop& stop);

  // Streams the answer to a request; on_text gets its text as it comes. Returns the finish reason,
  // or "" where it was broken off, which ends the request in the server too. Throws
  // EnvironmentError when the server cannot be reached or breaks off, BadInput with the server's
  // words when it refuses the request.
  std::string Complete(Json request, const std::function<void(std::string_view)>& on_text,
                       const Stop& stop);

 private:
  class Exchange;

  ServerAddress address_;
  ServerTrust trust_;
  std::string api_key_;
};

}  // namespace lockstep
