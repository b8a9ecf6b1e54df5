#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/options/arguments.h"

namespace lockstep {

// Where a key may stand that is given to no command line.
inline constexpr const char* kApiKeyVariable = "LOCKSTEP_API_KEY";

// The keys of which the server wants one: that of --api-key, or the lines of the file of
// --api-key-file that are not empty, without white space at their ends, or that of kApiKeyVariable.
// Empty: none is wanted. Throws BadInput where two flags name keys, or what they name is no key,
// and as ReadFile().
std::vector<std::string> ApiKeysOf(const Arguments& arguments);

// The key that a client sends: the first of them. Empty: none.
std::string ApiKeyOf(const Arguments& arguments);

// The command line without --api-key and its value: for what others can see, such as the command of
// another process or a result that is kept.
std::vector<std::string> WithoutApiKey(std::span<const std::string> given);

}  // namespace lockstep
