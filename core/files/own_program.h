#pragma once

#include <filesystem>

namespace lockstep {

// The file of the program that runs, for starting it again: /proc/self/exe itself would be another
// program in a child that has become one. Throws EnvironmentError where /proc is missing.
std::filesystem::path OwnProgram();

}  // namespace lockstep
