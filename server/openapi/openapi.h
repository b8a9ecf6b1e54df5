#pragma once

#include <string_view>

namespace lockstep {

// The description of the server's interface by OpenAPI 3.1 (openapi.json of this folder).
std::string_view OpenApiDocument();

}  // namespace lockstep
