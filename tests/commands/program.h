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

// The same where no file may become longer than so many bytes, as if the disk were full.
Outcome RunLimited(const std::vector<std::string>& arguments, int bytes);

// The same under mpirun, as a user may start it.
Outcome RunUnderMpirun(int ranks, const std::vector<std::string>& arguments);

// Whom a kill hits: the process that was started, one of those that it has started (with several
// ranks: mpirun or a rank), or all of them.
enum class Victim { kStarted, kDescendant, kTree };

// Starts the program and kills it with SIGKILL after so many milliseconds, unless it has ended.
// Waits until nothing of it is left. True when it was killed.
bool RunAndKill(const std::vector<std::string>& arguments, int milliseconds, Victim victim);

// A copy of a golden model of tests/golden/cases in `folder`, with a tokenizer of `ids` ids.
std::filesystem::path CopyModel(const std::string& name, const std::filesystem::path& folder,
                                int ids);

}  // namespace lockstep
