#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "api/openai/api_error.h"
#include "api/openai/api_reply.h"
#include "api/openai/api_request.h"
#include "core/error.h"
#include "serving/request_queue.h"

namespace lockstep {

// Something that a completion's client is to hear of: one of the three.
struct CallEvent {
  std::size_t prompt = 0;
  std::optional<KeptPiece> piece;
  std::optional<TextResult> result;
  std::optional<Error> error;
};

// How far a call has come, for the log.
struct CallProgress {
  using Clock = std::chrono::steady_clock;

  Clock::time_point submitted;
  std::optional<Clock::time_point> begun;        // the first step with a prompt of it
  std::optional<Clock::time_point> first_token;  // of a prompt
  std::int64_t new_tokens = 0;
  FinishReason finish = FinishReason::kNone;  // of its texts: kLength where one of them is cut
};

// Why a request is not accepted, in a client's terms: 503.
ApiError NotAccepted(Refusal refusal);

// The requests of one completion in a queue, which brings their events from its thread to that of
// the connection. Destroying it cancels what has not ended: a client that leaves costs no further
// step.
//
// Thread safety: the queue's thread writes; all methods are for one other thread.
class CompletionCall {
 public:
  // notify: called from the queue's thread whenever there are events and there were none; may not
  // throw, and may be called once more while the call is destroyed. Throws ApiError(503) when the
  // queue has no room; then nothing of the request runs.
  // label: by what the log names it.
  CompletionCall(RequestQueue& queue, const ApiRequest& request, std::function<void()> notify,
                 LogLabel label = {});
  ~CompletionCall();
  CompletionCall(const CompletionCall&) = delete;
  CompletionCall& operator=(const CompletionCall&) = delete;

  // All that has come since the last time.
  std::vector<CallEvent> Take();
  CallProgress progress() const;

 private:
  struct Shared;  // with the sinks, which may outlive the call
  class Sink;

  void Cancel();

  RequestQueue& queue_;
  std::shared_ptr<Shared> shared_;
  std::vector<Ticket> tickets_;
};

}  // namespace lockstep
