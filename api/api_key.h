#pragma once

#include <string>

namespace lockstep {

// The key in the first line of a file, without white space at its end; empty where no file is
// named. Throws BadInput when there is none in it, and as ReadFile().
std::string ReadApiKey(const std::string& file);

}  // namespace lockstep
