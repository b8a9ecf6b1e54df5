#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace lockstep {

// Where a result comes from: version and commit of the program, host, processor, its instruction
// set that is used, device, date (UTC) and the command line, without an API key. Every benchmark's
// JSON has it, as "about".
//   device  what computes: "cpu", "cuda", or that of a server, which is not known here ("")
nlohmann::ordered_json AboutResult(std::span<const std::string> command, const std::string& device);

// The processor's name as the system gives it; empty where it does not.
std::string ProcessorName();

// The commit that the program was built from; empty where it was not built from a repository.
std::string SourceCommit();

}  // namespace lockstep
