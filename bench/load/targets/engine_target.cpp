#include "bench/load/targets/engine_target.h"

#include <boost/asio/post.hpp>
#include <map>
#include <utility>

namespace lockstep {

namespace asio = boost::asio;

// Of the thread that runs the load; sinks only post to it.
struct EngineTarget::Shared {
  explicit Shared(asio::io_context& context) : io(context) {}

  // What has ended in any way; a second end of the same request is none.
  void End(std::int64_t number, RequestRecord record) {
    const auto found = waiting.find(number);
    if (found == waiting.end()) return;
    const Done done = std::move(found->second.done);
    waiting.erase(found);
    done(std::move(record));
  }

  struct Waiting {
    Done done;
    Ticket ticket = 0;
  };
  asio::io_context& io;
  std::map<std::int64_t, Waiting> waiting;
  std::int64_t next = 0;
};

// Fills the record in the engine's thread, and hands it over at its end.
class EngineTarget::Sink : public RequestSink {
 public:
  Sink(std::shared_ptr<Shared> shared, std::int64_t number, const RunClock& clock,
       RequestRecord record)
      : shared_(std::move(shared)), number_(number), clock_(clock), record_(std::move(record)) {}

  void OnPiece(std::size_t, const TokenPiece&) override {
    const double now = clock_.Now();
    if (record_.events++ == 0)
      record_.ttft = now - record_.start;
    else
      record_.itl.push_back(static_cast<float>(now - last_));
    last_ = now;
    record_.latency = now - record_.start;
  }
  void OnResult(TextResult result) override {
    if (!result.error.empty() || result.samples.empty())
      record_.failure = {"error of the engine", result.error};
    else
      record_.output_tokens = static_cast<std::int64_t>(result.samples[0].tokens.size());
    HandOver();
  }
  void OnError(const Error& error) override {
    if (error.code() == ExitCode::kInterrupted)
      record_.is_cancelled = true;
    else
      record_.failure = {"error of the engine", error.what()};
    HandOver();
  }

 private:
  void HandOver() {
    asio::post(shared_->io, [shared = shared_, number = number_, record = std::move(record_)] {
      shared->End(number, record);
    });
  }

  const std::shared_ptr<Shared> shared_;
  const std::int64_t number_;
  const RunClock clock_;
  RequestRecord record_;
  double last_ = 0.0;
};

EngineTarget::EngineTarget(asio::io_context& io, RequestQueue& queue,
                           const SamplingParams& sampling)
    : shared_(std::make_shared<Shared>(io)), queue_(queue), sampling_(sampling) {}

EngineTarget::~EngineTarget() = default;

void EngineTarget::Send(LoadRequest load, const RunClock& clock, Done done) {
  RequestRecord record;
  record.start = clock.Now();
  record.prompt_tokens = load.prompt_tokens;
  TextRequest request;
  request.tokens = std::move(load.tokens);
  request.prompt = std::move(load.text);
  request.sampling = sampling_;
  request.sampling.max_new_tokens = load.output_tokens;
  request.sampling.stream = next_stream_++;
  const std::int64_t number = shared_->next++;
  Shared::Waiting& waiting = shared_->waiting[number];
  waiting.done = std::move(done);
  const Admission admission =
      queue_.Submit(std::move(request), std::make_shared<Sink>(shared_, number, clock, record));
  waiting.ticket = admission.ticket;
  if (admission) return;
  if (admission.refusal == Refusal::kClosed)
    record.is_cancelled = true;
  else
    record.failure = {"queue full", "the engine holds as many requests as it may"};
  asio::post(shared_->io, [shared = shared_, number, record] { shared->End(number, record); });
}

// A request that is cancelled may have no end that its sink hears of.
void EngineTarget::Cancel() {
  for (const auto& [number, waiting] : shared_->waiting) {
    queue_.Cancel(waiting.ticket);
    asio::post(shared_->io, [shared = shared_, number = number] {
      RequestRecord record;
      record.is_cancelled = true;
      shared->End(number, std::move(record));
    });
  }
}

}  // namespace lockstep
