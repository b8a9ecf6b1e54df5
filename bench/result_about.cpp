#include "bench/result_about.h"

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <ctime>
#include <fstream>

#include "api/api_key.h"
#include "comm/groups/hosts.h"
#include "core/version.h"
#include "layers/kernels/backend.h"

namespace lockstep {
std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

std::string SourceCommit() {
  return
#include "bench/source_commit.inc"  // made by source_commit.cmake
      ;
}

nlohmann::ordered_json AboutResult(std::span<const std::string> command,
                                   const std::string& device) {
  return {{"version", Version()},
          {"commit", SourceCommit()},
          {"host", HostName()},
          {"processor", ProcessorName()},
          {"instruction_set", InstructionSet(BackendKind::kCpu)},
          {"device", device},
          {"date", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
          {"command", fmt::format("{}", fmt::join(WithoutApiKey(command), " "))}};
}

}  // namespace lockstep
