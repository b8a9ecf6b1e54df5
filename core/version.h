#pragma once

#include <string_view>

namespace lockstep {

// This program's version: "0.1.0".
std::string_view Version();

}  // namespace lockstep
