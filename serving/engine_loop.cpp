#include "serving/engine_loop.h"

#include <new>
#include <string>
#include <utility>

#include "core/log.h"
#include "core/logging/structured_log.h"

namespace lockstep {
namespace {

// How long requests are begun (tokenized, most of all) between two steps: many that come at once
// must not hold up the texts in flight.
constexpr std::chrono::milliseconds kBeginTime{5};

// How often a source is asked by a loop that idles.
constexpr std::chrono::duration<double> kSourcePeriod{1e-3};

// In a handler: what was thrown, of whatever kind.
std::string WhatWasThrown() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that says nothing";
  }
}

}  // namespace

EngineLoop::EngineLoop(Engine& engine, const Tokenizer* tokenizer, std::int64_t most_requests)
    : engine_(engine),
      inbox_(most_requests),
      session_(engine, tokenizer,
               {.on_begun = [this](std::int64_t id) { NoteBegun(id); },
                .on_piece =
                    [this](std::int64_t id, std::size_t sample, const TokenPiece& piece) {
                      Tell(id, [&](RequestSink& sink) { sink.OnPiece(sample, piece); });
                    },
                .on_result = [this](std::int64_t id,
                                    TextResult result) { TakeResult(id, std::move(result)); }}),
      heartbeat_(HeartbeatPeriod(engine.deadline_seconds()), [this] { Beat(); }) {
  LOCKSTEP_CHECK(most_requests > 0, "a loop of {} requests", most_requests);
}

EngineLoop::~EngineLoop() {
  FailAll(Error(ExitCode::kInterrupted, "the engine was stopped before it began"));
}

void EngineLoop::Run(const Source& source) {
  LOCKSTEP_CHECK(std::this_thread::get_id() == owner_, "another thread made this loop");
  LOCKSTEP_CHECK(inbox_.state() != Inbox::State::kEnded, "a loop that has ended");
  try {
    while (RunOnce(source)) {
    }
    CancelInEngine();
  } catch (...) {
    is_usable_ = false;
    FailAll(CurrentError());
    throw;
  }
  FailAll(Error(ExitCode::kInterrupted, "the engine was stopped"));
}

// A step, or a wait; whether another one follows.
bool EngineLoop::RunOnce(const Source& source) {
  if (failure_) std::rethrow_exception(failure_);  // a sink has swallowed it
  if (source) source();
  if (inbox_.state() == Inbox::State::kAborting) return false;
  TakeInbox();
  DoIdleWork();
  if (inbox_.is_drained()) return false;
  if (session_.in_flight() > 0)
    session_.Step();
  else
    Wait(source ? kSourcePeriod : HeartbeatPeriod(engine_.deadline_seconds()) / 2);
  inbox_.Publish(engine_.status());
  return true;
}

void EngineLoop::DoIdleWork() {
  if (!inbox_.has_work()) return;
  if (session_.in_flight() == 0) return inbox_.TakeWork().work();
  for (const IdleWork& late : inbox_.TakeLateWork(Clock::now()))
    if (late.on_late) late.on_late();
}

void EngineLoop::TakeInbox() {
  for (const Ticket ticket : inbox_.TakeCancelled()) {
    session_.Cancel(ticket);
    End(ticket, &LoopStatistics::cancelled);
  }
  if (inbox_.has_work()) return;  // what has not begun waits for it
  const auto limit = Clock::now() + kBeginTime;
  while (auto entry = inbox_.Take()) {
    Begin(std::move(*entry));
    if (Clock::now() >= limit) return;
  }
}

void EngineLoop::Begin(Inbox::Entry entry) {
  const Ticket ticket = entry.ticket;
  sinks_[ticket] = std::move(entry.sink);
  try {
    session_.Submit(ticket, entry.request);
  } catch (const std::bad_alloc&) {
    Fail(ticket, BadInput("there is no memory for this request; shorten it"));
  } catch (...) {
    if (failure_) throw;
    Fail(ticket, CurrentError());
  }
}

void EngineLoop::TakeResult(Ticket ticket, TextResult result) {
  if (!result.error.empty()) return Fail(ticket, Error(ExitCode::kBadInput, result.error));
  const auto sink = End(ticket, &LoopStatistics::completed);
  if (sink != nullptr)
    Call(ticket, *sink, [&](RequestSink& one) { one.OnResult(std::move(result)); });
}

void EngineLoop::Wait(std::chrono::duration<double> longest) {
  Heartbeat();
  inbox_.WaitUntil(Clock::now() + std::chrono::duration_cast<Clock::duration>(longest));
}

// Anybody's work may beat, a sink's too: that a peer is gone must not be taken for its fault.
void EngineLoop::Beat() {
  if (!is_usable_) return;
  try {
    engine_.KeepAlive();
  } catch (...) {
    failure_ = std::current_exception();
    is_usable_ = false;
    throw;
  }
}

void EngineLoop::Tell(Ticket ticket, const std::function<void(RequestSink&)>& call) {
  const auto found = sinks_.find(ticket);
  if (found == sinks_.end()) return;
  const std::shared_ptr<RequestSink> sink = found->second;
  Call(ticket, *sink, call);
}

void EngineLoop::Call(Ticket ticket, RequestSink& sink,
                      const std::function<void(RequestSink&)>& call) {
  try {
    call(sink);
  } catch (...) {
    if (failure_) std::rethrow_exception(failure_);
    const LogScope about(sink.label());
    LogWarning("request {} was ended, because what takes its text failed: {}", ticket,
               WhatWasThrown());
    if (!sinks_.contains(ticket)) return;  // it had ended
    session_.Cancel(ticket);
    End(ticket, &LoopStatistics::failed);
  }
}

// A step has been planned: the request cannot be ended for what its sink throws.
void EngineLoop::NoteBegun(Ticket ticket) {
  const auto found = sinks_.find(ticket);
  if (found == sinks_.end()) return;
  const LogScope about(found->second->label());
  try {
    found->second->OnBegun();
  } catch (...) {
    LogWarning("request {}: what takes its text failed: {}", ticket, WhatWasThrown());
  }
}

// The sink, for a last call; null where the request has ended before.
std::shared_ptr<RequestSink> EngineLoop::End(Ticket ticket, std::int64_t LoopStatistics::*counter) {
  const auto node = sinks_.extract(ticket);
  if (node.empty()) return nullptr;
  inbox_.End(ticket, counter);
  return std::move(node.mapped());
}

void EngineLoop::Fail(Ticket ticket, const Error& error) {
  const auto sink = End(ticket, &LoopStatistics::failed);
  if (sink != nullptr) Call(ticket, *sink, [&](RequestSink& one) { one.OnError(error); });
}

// Of what has not ended, if anything: in good order nothing is left.
void EngineLoop::FailAll(const Error& error) {
  failure_ = nullptr;  // it is known
  for (Inbox::Entry& entry : inbox_.Close()) sinks_[entry.ticket] = std::move(entry.sink);
  while (!sinks_.empty()) Fail(sinks_.begin()->first, error);
}

// An engine that was stopped can go on with other work.
void EngineLoop::CancelInEngine() {
  for (const auto& [ticket, sink] : sinks_) session_.Cancel(ticket);
  inbox_.Publish(engine_.status());
}

}  // namespace lockstep
