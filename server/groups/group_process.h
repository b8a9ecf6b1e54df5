#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// This process's children that have ended. One for the process: it takes every child's end, those
// of orphans too, which come to whoever is the first process of a container.
class EndedChildren {
 public:
  // The wait status of a child that has ended, once.
  std::optional<int> Take(pid_t child);

 private:
  std::map<pid_t, int> statuses_;
};

// A child process and all that it has started, which are known by an environment variable.
// Not thread-safe, and for a thread that lives as long as the process shall: the child dies with
// the thread that has started it.
class GroupProcess {
 public:
  struct Start {
    std::vector<std::string> command;  // the program's path, and its arguments
    std::string variable;              // "NAME=VALUE", of no other process
    std::string devices = {};          // CUDA_VISIBLE_DEVICES; empty: as it is here
    std::vector<int> cores;            // it may run on; empty: those of this process
  };

  // Its standard input is empty, its outputs are ours, and a terminal's Ctrl-C is not for it.
  // Throws EnvironmentError.
  explicit GroupProcess(const Start& start);
  // Kills what is left.
  ~GroupProcess();
  GroupProcess(const GroupProcess&) = delete;
  GroupProcess& operator=(const GroupProcess&) = delete;

  // The wait status of the child, once it has ended. What it has started may still be there.
  std::optional<int> End(EndedChildren& ended);

  // SIGKILL for all of it, stopped processes and orphans among them. True when nothing is left
  // but the child's own end, which End() takes.
  bool Kill() const;
  // Whether one of its processes is stopped (SIGSTOP, a debugger).
  bool IsStopped() const;

 private:
  std::string variable_;
  pid_t id_ = -1;
  std::optional<int> status_;
};

// Processes that this machine's kernel has killed so far because memory was short; nothing where it
// does not tell.
std::optional<long> OutOfMemoryKills();

// "was killed by signal 9 (Killed)", "ended with exit code 4".
std::string DescribeEnd(int wait_status);

}  // namespace lockstep
