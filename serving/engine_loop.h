#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/heartbeat.h"
#include "engine/engine.h"
#include "serving/inbox.h"
#include "serving/request_queue.h"
#include "serving/request_sink.h"
#include "text/session.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// The thread boundary of the engine (rank 0 only). The thread that makes the loop, calls Run() and
// destroys the loop owns the engine, its communicator and its device; all others hand in requests
// and get events. As long as the loop exists, the other ranks hear of it while it idles, and in
// long work that beats (core/heartbeat.h).
//
// Thread safety: Submit(), Cancel(), WhenIdle(), Drain(), Abort() and statistics() may be called
// from any thread, before, in and after Run(), and from a sink. Everything else is for the owning
// thread.
class EngineLoop : public RequestQueue {
 public:
  // A source of requests that has to be asked. It may call everything but Run(). What it throws
  // leaves Run().
  using Source = std::function<void()>;

  // For a source that has bounds of its own.
  static constexpr std::int64_t kAnyNumber = std::numeric_limits<std::int64_t>::max();

  // Engine and tokenizer stay the caller's and outlive the loop. The engine is used by nobody else
  // meanwhile. most_requests: accepted and not ended; one more is refused. tokenizer: null where no
  // request generates, and all have tokens.
  EngineLoop(Engine& engine, const Tokenizer* tokenizer,
             std::int64_t most_requests = kMostRequests);
  // What was accepted and has not ended, because Run() was never called, ends by
  // OnError(kInterrupted).
  ~EngineLoop() override;
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  Admission Submit(TextRequest request, std::shared_ptr<RequestSink> sink) override {
    return inbox_.Submit(std::move(request), std::move(sink));
  }
  Refusal Refuse(ClientId client) override { return inbox_.Refuse(client); }
  void Cancel(Ticket ticket) override { inbox_.Cancel(ticket); }
  LoopStatistics statistics() const override { return inbox_.statistics(); }

  // Has something done by the owning thread when nothing is in flight, before any request begins
  // that had not: those in flight end first, and the others wait. What still waits for those in
  // flight at its `until` is given up (IdleWork::on_late). In the order of the calls. Not done, and
  // destroyed, where the loop ends before. What it throws leaves Run() as the engine's error.
  void WhenIdle(IdleWork work) { inbox_.Put(std::move(work)); }

  // Run() returns when all that was accepted has ended.
  void Drain() override { inbox_.Drain(); }
  // Run() returns after the step that it is in.
  void Abort() override { inbox_.Abort(); }

  // Serves until it is drained or aborted; once. A source is asked before each step, and every
  // millisecond while the loop idles. An error of the engine leaves it as an exception:
  // then each request that had not ended was told that error by OnError(), and the engine is of no
  // more use.
  void Run(const Source& source = {});

 private:
  using Clock = std::chrono::steady_clock;

  bool RunOnce(const Source& source);
  void TakeInbox();
  void DoIdleWork();
  void Begin(Inbox::Entry entry);
  void NoteBegun(Ticket ticket);
  void TakeResult(Ticket ticket, TextResult result);
  void Wait(std::chrono::duration<double> longest);
  void Beat();
  void Tell(Ticket ticket, const std::function<void(RequestSink&)>& call);
  void Call(Ticket ticket, RequestSink& sink, const std::function<void(RequestSink&)>& call);
  std::shared_ptr<RequestSink> End(Ticket ticket, std::int64_t LoopStatistics::*counter);
  void Fail(Ticket ticket, const Error& error);
  void FailAll(const Error& error);
  void CancelInEngine();

  Engine& engine_;
  const std::thread::id owner_ = std::this_thread::get_id();
  Inbox inbox_;
  TextSession session_;
  std::map<Ticket, std::shared_ptr<RequestSink>> sinks_;  // of what is in flight
  std::exception_ptr failure_;                            // of the communicator, in a heartbeat
  bool is_usable_ = true;                                 // the engine
  const HeartbeatScope heartbeat_;
};

}  // namespace lockstep
