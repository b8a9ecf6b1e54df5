#pragma once

#include <sys/types.h>

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

// The arguments with `--dtype fp32` where a model is run and they do not say in what: on every
// processor the results are those of transformers then. What follows here has it, too, but for
// RunAsGiven().
std::vector<std::string> WithFixedDtype(std::vector<std::string> arguments);

// Runs the built program to its end, with `input` as standard input and an empty model cache.
Outcome RunAsGiven(const std::vector<std::string>& arguments, const std::string& input = "");
Outcome RunLockstep(const std::vector<std::string>& arguments, const std::string& input = "");

// What the program makes of lines of input: its output file. Throws where it fails.
std::string OutputOfLines(std::vector<std::string> command, const std::string& lines);

// The same as RunLockstep() where no file may become longer than so many bytes, as if the disk were
// full.
Outcome RunLimited(const std::vector<std::string>& arguments, int bytes);

// Runs a shell script to its end, with the program and `arguments` as its "$@".
Outcome RunScript(const std::string& script, const std::vector<std::string>& arguments);

// Runs the program under mpirun, as a user may start it.
Outcome RunUnderMpirun(int ranks, const std::vector<std::string>& arguments);

// Whom a kill hits: the process that was started, the mpirun that it has started, any one of the
// ranks below that, or all of them. Where there is one process it is always that one.
enum class Victim { kStarted, kMpirun, kDescendant, kTree };

// Starts the program and kills it with SIGKILL after so many milliseconds, unless it has ended.
// Waits until nothing of it is left. True when it was killed before its end.
bool RunAndKill(const std::vector<std::string>& arguments, int milliseconds, Victim victim);

// All processes that this one has started, and those that they have, in the order in which they
// are found from here on: mpirun before its ranks.
std::vector<pid_t> Descendants(pid_t ancestor);
bool IsAlive(pid_t process);

// A copy of a golden model of tests/golden/cases in `folder`, with a tokenizer of `ids` ids.
std::filesystem::path CopyModel(const std::string& name, const std::filesystem::path& folder,
                                int ids);

}  // namespace lockstep
