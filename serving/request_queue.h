#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "serving/request_sink.h"
#include "text/text_request.h"

namespace lockstep {

// A group of ranks that shares the work.
struct GroupStatistics {
  StepCounts steps;
};

struct LoopStatistics {
  std::int64_t queued = 0;     // accepted, not yet given to an engine
  std::int64_t in_flight = 0;  // given to an engine, not ended
  std::int64_t clients = 0;    // that have any of these
  // Since the start. Of what was accepted each request is counted by one of the last three.
  std::int64_t accepted = 0;
  std::int64_t refused = 0;  // the queue was full, or for this client, or closed
  std::int64_t completed = 0;
  std::int64_t failed = 0;  // ended by OnError(), or by a sink that threw
  std::int64_t cancelled = 0;
  EngineStatus engine;  // as of the last step; of several groups the sum
  // Groups of ranks that can answer, and how often one was started again.
  std::int64_t groups_ready = 1;
  std::int64_t group_restarts = 0;
  std::vector<GroupStatistics> groups = {};  // of several processes; empty: the engine is one
};

enum class Refusal : std::uint8_t {
  kNone,
  kFull,    // it holds as many requests as it may: try again later
  kShare,   // it holds as many of this client as it may, and keeps room for others: the same
  kClosed,  // it drains, was aborted or has ended
};

// What Submit() says.
struct Admission {
  Refusal refusal = Refusal::kNone;
  Ticket ticket = 0;  // of a request that was accepted

  explicit operator bool() const { return refusal == Refusal::kNone; }
};

// Takes requests and has them answered: by an engine in this process, or by ranks in others.
// Clients (TextRequest::client) share it: who has many requests here does not keep another one's
// from its turn (FairTurns), and leaves some places free for others.
//
// Thread safety: all methods may be called from any thread, and from a sink.
class RequestQueue {
 public:
  static constexpr std::int64_t kMostRequests = 4096;  // by default, accepted and not ended

  virtual ~RequestQueue() = default;

  // Hands a request in, and never waits. A sink whose request is refused is not called; what is
  // wrong with a request that was accepted comes by OnError().
  virtual Admission Submit(TextRequest request, std::shared_ptr<RequestSink> sink) = 0;
  // Whether a request of this client would be refused now, before anything is done for it; it is
  // counted then.
  virtual Refusal Refuse(ClientId client) = 0;
  // Ends a request before the next step; until then its sink may still be called. Nothing happens
  // to one that has ended.
  virtual void Cancel(Ticket ticket) = 0;
  virtual LoopStatistics statistics() const = 0;

  // Accepts no more; what was accepted is answered.
  virtual void Drain() = 0;
  // Accepts no more; what has not ended ends by OnError(kInterrupted).
  virtual void Abort() = 0;

  // Why nothing is answered just now; empty where all is well.
  virtual std::string unavailable() const { return ""; }
};

}  // namespace lockstep
