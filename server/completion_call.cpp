#include "server/completion_call.h"

#include <utility>

namespace lockstep {

ApiError NotAccepted(Refusal refusal) {
  return ApiError(503, refusal == Refusal::kFull
                           ? "the server has as many requests as it may hold; try again later"
                           : "the server is shutting down");
}

namespace {

// Pieces that wait for a client to take those before them. One that reads so slowly is ended.
constexpr std::size_t kMostWaitingBytes = std::size_t{64} << 20;

Error TooSlow() { return BadInput("the text was ended, because it is not taken as it comes"); }

std::size_t BytesOf(const KeptPiece& piece) {
  std::size_t bytes = sizeof(CallEvent) + piece.text.size();
  const auto add = [&bytes](const TokenLogprob& one) {
    bytes += sizeof(one) + one.likeliest.size() * sizeof(one.likeliest.front());
  };
  if (piece.logprob) add(*piece.logprob);
  for (const TokenLogprob& one : piece.prompt_logprobs) add(one);
  return bytes;
}

}  // namespace

struct CompletionCall::Shared {
  std::mutex mutex;
  std::vector<CallEvent> events;
  std::size_t waiting_bytes = 0;  // of the events, about
  bool overrun = false;
  std::function<void()> notify;  // empty: the call is gone

  void Put(CallEvent event) {
    const std::lock_guard lock(mutex);
    if (!notify || overrun) return;
    if (event.piece) waiting_bytes += BytesOf(*event.piece);
    overrun = waiting_bytes > kMostWaitingBytes;
    if (overrun) event = {.prompt = event.prompt, .piece = {}, .result = {}, .error = TooSlow()};
    events.push_back(std::move(event));
    if (events.size() == 1) notify();
  }
};

class CompletionCall::Sink : public RequestSink {
 public:
  enum class Pieces { kDropped, kKept };

  Sink(std::shared_ptr<Shared> shared, std::size_t prompt, Pieces pieces)
      : shared_(std::move(shared)), prompt_(prompt), pieces_(pieces) {}

  void OnPiece(std::size_t sample, const TokenPiece& piece) override {
    if (pieces_ == Pieces::kDropped) return;
    shared_->Put({.prompt = prompt_, .piece = Keep(sample, piece), .result = {}, .error = {}});
  }
  void OnResult(TextResult result) override {
    shared_->Put({.prompt = prompt_, .piece = {}, .result = std::move(result), .error = {}});
  }
  void OnError(const Error& error) override {
    shared_->Put({.prompt = prompt_, .piece = {}, .result = {}, .error = error});
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::size_t prompt_;
  Pieces pieces_;
};

CompletionCall::CompletionCall(RequestQueue& queue, const ApiRequest& request,
                               std::function<void()> notify)
    : queue_(queue), shared_(std::make_shared<Shared>()) {
  shared_->notify = std::move(notify);
  const auto pieces = request.stream ? Sink::Pieces::kKept : Sink::Pieces::kDropped;
  for (std::size_t i = 0; i < request.prompts.size(); ++i) {
    const Admission admission =
        queue_.Submit(request.prompts[i].request, std::make_shared<Sink>(shared_, i, pieces));
    if (admission) {
      tickets_.push_back(admission.ticket);
      continue;
    }
    Cancel();
    throw NotAccepted(admission.refusal);
  }
}

CompletionCall::~CompletionCall() { Cancel(); }

void CompletionCall::Cancel() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->notify = nullptr;
  }
  for (const Ticket ticket : tickets_) queue_.Cancel(ticket);
}

std::vector<CallEvent> CompletionCall::Take() {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting_bytes = 0;
  return std::exchange(shared_->events, {});
}

}  // namespace lockstep
