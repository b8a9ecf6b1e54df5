#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/requests.h"

namespace lockstep {

// Lines of the output, with their line ends.

// What the request's task has given.
std::string FormatResult(const LineRequest& request, const TextResult& result);

// For a line that could not be used. Its id, if it has one that can be read, else its index.
std::string FormatError(std::string_view line, std::int64_t index, std::string_view message);
std::string FormatError(const Json& id, std::string_view message);

}  // namespace lockstep
