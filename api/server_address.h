#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Where a server answers.
struct ServerAddress {
  std::string host;
  std::string port;
};

// Of "http://host:port", "host:port" or "http://host" (port 80), with or without "/v1" behind it.
// Throws BadInput for anything else.
ServerAddress ParseServerUrl(std::string_view url);

}  // namespace lockstep
