#include "api/openai/api_error.h"

#include <string_view>

#include "core/json.h"

namespace lockstep {
namespace {

std::string_view TypeOf(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 404: return "not_found_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

std::string FormatApiError(const ApiError& error) {
  const Json param = error.param().empty() ? Json() : Json(error.param());
  return DumpJson({{"error",
                    {{"message", error.what()},
                     {"type", TypeOf(error.status())},
                     {"param", param},
                     {"code", error.status()}}}});
}

}  // namespace lockstep
