#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Where a server answers.
struct ServerAddress {
  std::string host;
  std::string port;
  bool is_encrypted = false;  // speaks TLS
};

// Of "http://host:port", "host:port" or "http://host" (port 80), or with https:// (port 443), with
// or without "/v1" behind it.
// Throws BadInput for anything else.
ServerAddress ParseServerUrl(std::string_view url);

// What a client's message says after "Connection refused", and after the words of an answer 401.
inline constexpr std::string_view kNobodyListens =
    "; no server listens there: start one with `lockstep serve`, or check the address";
inline constexpr std::string_view kKeyWanted =
    "; give the server's key with --api-key-file FILE or in the variable LOCKSTEP_API_KEY";

}  // namespace lockstep
