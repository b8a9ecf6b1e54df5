#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lockstep {

// Files that a benchmark writes its results to: "-" is standard output, "" none. A file appears
// whole or not at all; pipes and devices take what comes.

// Before anything is measured. Throws EnvironmentError where one cannot be written, BadInput where
// two are the same, or one is of those that are read.
void CheckResultFiles(std::span<const std::string> files, std::span<const std::string> read = {});

// Throws EnvironmentError.
void WriteResult(const std::string& file, std::string_view text);

}  // namespace lockstep
