#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/completion_call.h"
#include "server/http/request_name.h"

namespace lockstep {

enum class RequestLogging : std::uint8_t { kOff, kOn };

// What is known of a request, for the log. Of its text and its key nothing is.
struct ServedRequest {
  using Clock = std::chrono::steady_clock;
  enum class Outcome : std::uint8_t { kAnswered, kBroken, kLeft };  // kLeft: the client has

  RequestName name;
  std::string route;  // "POST /v1/completions"
  Clock::time_point begun = Clock::now();
  std::optional<std::int64_t> prompt_tokens = {};  // of one that was accepted
  std::optional<CallProgress> progress = {};       // of the same
  unsigned status = 0;
  Outcome outcome = Outcome::kAnswered;
};

// Of all its prompts.
std::int64_t PromptTokensOf(const ApiRequest& request);

// Notes how far a call has come, before it is gone.
class ProgressScope {
 public:
  ProgressScope(const CompletionCall& call, ServedRequest& record) : call_(call), record_(record) {}
  ~ProgressScope() { record_.progress = call_.progress(); }
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;

 private:
  const CompletionCall& call_;
  ServedRequest& record_;
};

// The method and the path of a request, without what follows on it, and not very long.
std::string RouteOf(std::string_view method, std::string_view target);

// Lines of the log about each request, where they are wanted (--log-requests).
class RequestLog {
 public:
  explicit RequestLog(RequestLogging logging) : logging_(logging) {}

  // It is in the queue.
  void NoteAccepted(const ServedRequest& request) const;
  // All that goes to its client is sent, or the client has left.
  void NoteEnd(const ServedRequest& request) const;

 private:
  RequestLogging logging_;
};

}  // namespace lockstep
