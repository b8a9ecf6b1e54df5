#pragma once

#include <stdexcept>
#include <string>

namespace lockstep {

// What a client did wrong, or why it has to wait, as OpenAI's clients know it.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, const std::string& message, std::string param = "")
      : std::runtime_error(message), status_(status), param_(std::move(param)) {}

  int status() const { return status_; }               // of HTTP
  const std::string& param() const { return param_; }  // the field at fault; "": none

 private:
  int status_;
  std::string param_;
};

// {"error": {"message", "type", "param", "code"}}
std::string FormatApiError(const ApiError& error);

}  // namespace lockstep
