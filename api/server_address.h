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

}  // namespace lockstep
