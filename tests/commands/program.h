#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lockstep {

// What a run of the program left behind.
struct Outcome {
  int exit_code = -1;  // 128 + the signal when one ended it
  std::string output;
  std::string errors;
};

// Runs the built program to its end, with `input` as standard input and an empty model cache.
Outcome RunLockstep(const std::vector<std::string>& arguments, const std::string& input = "");

// The same under mpirun, as a user may start it.
Outcome RunUnderMpirun(int ranks, const std::vector<std::string>& arguments);

// A copy of a golden model of tests/golden/cases in `folder`, with a tokenizer of `ids` ids.
std::filesystem::path CopyModel(const std::string& name, const std::filesystem::path& folder,
                                int ids);

}  // namespace lockstep
