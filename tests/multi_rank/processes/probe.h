#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/multi_rank/processes/child_process.h"
#include "tests/support/test_data.h"

namespace lockstep::testing {

// Open MPI frees little at its end; that is not what these tests look for.
inline std::vector<std::pair<std::string, std::string>> ProbeEnvironment() {
  return {{"ASAN_OPTIONS", "detect_leaks=0"},
          {"TSAN_OPTIONS",
           "suppressions=" + (SourceFolder() / "tests/multi_rank/tsan_openmpi.supp").string() +
               " ignore_noninstrumented_modules=1"},
          {"PROBE", RANK_PROBE}};
}

// Runs rank_probe with these arguments to its end, as a user starts `lockstep`.
inline ChildProcess::Result Probe(std::vector<std::string> arguments, std::string input = "") {
  arguments.insert(arguments.begin(), RANK_PROBE);
  return ChildProcess(
             ChildProcess::Options{std::move(arguments), std::move(input), ProbeEnvironment()})
      .Wait();
}

// Starts it and leaves it running.
inline ChildProcess::Options StartedProbe(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), RANK_PROBE);
  return {std::move(arguments), "", ProbeEnvironment()};
}

// Runs it in a shell's script, where it is called $PROBE.
inline ChildProcess::Result ProbeScript(const std::string& script, std::string input) {
  return ChildProcess(
             ChildProcess::Options{{"/bin/sh", "-c", script}, std::move(input), ProbeEnvironment()})
      .Wait();
}

// Runs it as three ranks of an mpirun that is not ours.
inline ChildProcess::Result ProbeUnderMpirun(const std::vector<std::string>& arguments) {
  ChildProcess::Options options;
  options.command = {MPIRUN, "--quiet", "-n", "3", "--oversubscribe", RANK_PROBE};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = ProbeEnvironment();
  options.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT", "1");
  options.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  return ChildProcess(options).Wait();
}

}  // namespace lockstep::testing
