#pragma once

#include <string_view>

#include "text/jinja/functions/functions.h"

namespace lockstep::jinja {

// The filters that make a text or a number. Null where there is none.
Filter FindTextFilter(std::string_view name);

}  // namespace lockstep::jinja
