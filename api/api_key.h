#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/options/arguments.h"

namespace lockstep {

// Where a key may stand that is given to no command line.
inline constexpr const char* kApiKeyVariable = "LOCKSTEP_API_KEY";

// The key that the server wants, or that its client sends: of --api-key, or the first line of the
// file of --api-key-file, without white space at its end, or of kApiKeyVariable. Empty: none.
// Throws BadInput where two flags name one, or what they name is no key, and as ReadFile().
std::string ApiKeyOf(const Arguments& arguments);

// The command line without --api-key and its value: for what others can see, such as the command of
// another process or a result that is kept.
std::vector<std::string> WithoutApiKey(std::span<const std::string> given);

}  // namespace lockstep
