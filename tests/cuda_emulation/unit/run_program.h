#pragma once
// Runs one of the test programs and collects what it writes.

#include <sys/wait.h>

#include <cstdio>
#include <string>

struct ProgramResult {
  int exit_status = -1;  // 128 + signal when one ended it
  std::string output;    // of both streams
};

// environment: "NAME=value ..." or empty.
inline ProgramResult RunProgram(const std::string& command, const std::string& environment = "") {
  ProgramResult result;
  std::FILE* pipe = popen(("env " + environment + " " + command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  std::size_t bytes = 0;
  while ((bytes = std::fread(buffer, 1, sizeof buffer, pipe)) > 0) {
    result.output.append(buffer, bytes);
  }
  const int status = pclose(pipe);
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}
