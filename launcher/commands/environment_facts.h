#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

// What a bug report needs: the program, the libraries that it uses, the processor, memory, limits
// and GPUs of this host. Bytes and cores are numbers; what is not there is null or says why. No API
// key is in it.
nlohmann::ordered_json EnvironmentFacts();

// The same as lines "name: value", those of a section behind its name.
std::string EnvironmentText(const nlohmann::ordered_json& facts);

}  // namespace lockstep
