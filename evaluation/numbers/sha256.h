#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// The SHA-256 of some bytes, as 64 hexadecimal digits.
std::string Sha256(std::string_view bytes);

}  // namespace lockstep
