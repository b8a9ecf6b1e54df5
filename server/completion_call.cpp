#include "server/completion_call.h"

#include <algorithm>
#include <utility>

namespace lockstep {

ApiError NotAccepted(Refusal refusal) {
  if (refusal == Refusal::kFull)
    return ApiError(503, "the server has as many requests as it may hold; try again later");
  if (refusal == Refusal::kShare)
    return ApiError(503,
                    "the server has as many requests of yours as it may hold, because others need "
                    "room, too; try again when some are answered");
  return ApiError(503, "the server is shutting down");
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
  CallProgress progress;
  LogLabel label;  // stays as it is

  void NoteBegin() {
    const std::lock_guard lock(mutex);
    if (!progress.begun) progress.begun = CallProgress::Clock::now();
  }
  void NoteToken() {
    const std::lock_guard lock(mutex);
    if (progress.new_tokens++ == 0) progress.first_token = CallProgress::Clock::now();
  }
  // tokens: that came without a piece.
  void NoteResult(const TextResult& result, std::int64_t tokens) {
    const std::lock_guard lock(mutex);
    progress.new_tokens += tokens;
    if (!result.embedding.empty()) return;
    for (const TextSample& sample : result.samples)
      if (progress.finish != FinishReason::kLength) progress.finish = sample.finish;
  }

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

  const LogLabel* label() const override { return &shared_->label; }
  void OnBegun() override { shared_->NoteBegin(); }
  void OnPiece(std::size_t sample, const TokenPiece& piece) override {
    shared_->NoteToken();
    ++token_count_;
    if (pieces_ == Pieces::kDropped) return;
    shared_->Put({.prompt = prompt_, .piece = Keep(sample, piece), .result = {}, .error = {}});
  }
  void OnResult(TextResult result) override {
    std::int64_t tokens = 0;
    for (const TextSample& sample : result.samples) tokens += std::ssize(sample.tokens);
    shared_->NoteResult(result, std::max<std::int64_t>(0, tokens - token_count_));
    shared_->Put({.prompt = prompt_, .piece = {}, .result = std::move(result), .error = {}});
  }
  void OnError(const Error& error) override {
    shared_->Put({.prompt = prompt_, .piece = {}, .result = {}, .error = error});
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::size_t prompt_;
  Pieces pieces_;
  std::int64_t token_count_ = 0;
};

CompletionCall::CompletionCall(RequestQueue& queue, const ApiRequest& request,
                               std::function<void()> notify, LogLabel label)
    : queue_(queue), shared_(std::make_shared<Shared>()) {
  shared_->notify = std::move(notify);
  shared_->label = std::move(label);
  shared_->progress.submitted = CallProgress::Clock::now();
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

CallProgress CompletionCall::progress() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->progress;
}

std::vector<CallEvent> CompletionCall::Take() {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting_bytes = 0;
  return std::exchange(shared_->events, {});
}

}  // namespace lockstep
