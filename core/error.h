#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace lockstep {

// What the process answers to its caller. These numbers are a contract: scripts rely on them.
enum class ExitCode : int {
  kOk = 0,
  kInternal = 1,      // a defect of ours: a failed check
  kBadInput = 2,      // flags, configuration, checkpoint, tokenizer, request, rank count
  kEnvironment = 3,   // files, memory, MPI, devices
  kRankFailure = 4,   // a peer rank died or did not answer before its deadline
  kInterrupted = 130  // Ctrl-C, as shells report it
};

// The one exception type. The message says where, what was found, what was expected and the remedy:
//   "shard plan: 12 heads over 16 ranks leaves 4 ranks empty; use at most 12 ranks"
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// Shorthands, formatted with fmt:  throw BadInput("{}: no such tensor", name);
template <typename... Args>
Error BadInput(fmt::format_string<Args...> format, Args&&... args) {
  return Error(ExitCode::kBadInput, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
Error EnvironmentError(fmt::format_string<Args...> format, Args&&... args) {
  return Error(ExitCode::kEnvironment, fmt::format(format, std::forward<Args>(args)...));
}

// In a handler: the exception in flight as an Error. What the standard library throws is the
// environment's: no memory, a file that may not be seen, a thread that may not be started.
Error CurrentError();

// Throws Error(kInternal) naming the place. Used by LOCKSTEP_CHECK.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& detail);

}  // namespace lockstep

// For our own mistakes, never for bad input. Stays on in release builds.
//   LOCKSTEP_CHECK(rows > 0, "rows {}", rows);
#define LOCKSTEP_CHECK(condition, ...)                                                     \
  do {                                                                                     \
    if (!(condition)) [[unlikely]]                                                         \
      ::lockstep::CheckFailed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)
