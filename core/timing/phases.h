#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockstep {

// What a rank's thread does in a step, and how long: measured while somebody watches, and else as
// cheap as one look at a variable of the thread.
//
//   const ScopedPhase products(Phase::kProducts);    // where the work is done
//   const PhaseWatch watch(observer);                // whoever wants to know
//
// All times are of the thread that watches: that of the rank, which leads the threads of kernels
// and waits for the last of them. Other threads have no watch and measure nothing.

// Phases lie within each other; each moment counts for the innermost one.
enum class Phase : std::uint8_t {
  kOther,      // norms, additions to the residual stream, the embedding: what nothing below names
  kPlan,       // who is in the step, and what is asked of it
  kBroadcast,  // the step's message, to or from the other ranks
  kProducts,   // of matrices, with their bias and activation
  kAttention,  // over the cache
  kAllReduce,  // the sum over the ranks, once all have come to it
  kWaiting,    // for a rank that has not come yet: to a sum, with the step's message, an answer
  kGather,     // the answers of the ranks
  kTransfer,   // activations, to the next stage of a pipeline or from the one before
  kSampling,   // questions about logits, and the choice of tokens
};
inline constexpr std::size_t kPhaseCount = 10;

// "products", "all-reduce", …
std::string_view Name(Phase phase);

using PhaseNanoseconds = std::array<std::int64_t, kPhaseCount>;  // by Phase

// A phase from its beginning to its end, those within it included. Nanoseconds of the steady clock.
struct PhaseSpan {
  Phase phase = Phase::kOther;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// A step on one rank. On rank 0 it begins with its plan; on the others where the step before it has
// ended, so that they wait for its message within it.
struct StepTimes {
  std::int64_t step = 0;    // its number
  std::int64_t tokens = 0;  // that it computes
  std::int64_t begin = 0;   // nanoseconds of the steady clock
  std::int64_t end = 0;
  PhaseNanoseconds phases{};  // add up to end - begin
};

// What becomes of a request on the rank that decides (rank 0 of a group), in this order. Whatever
// generates nothing has no first token.
enum class RequestMoment : std::uint8_t {
  kArrived,     // it waits for its turn
  kBegun,       // its first step is planned, which reads its prompt
  kFirstToken,  // from here on it is decoded
  kEnded,       // nothing follows: all is made, or nobody wants it any more
};

struct RequestTime {
  std::int64_t request = 0;  // the engine's number, which may come again once it has ended
  RequestMoment moment = RequestMoment::kArrived;
  std::int64_t at = 0;  // nanoseconds of the steady clock
  // kArrived: that are computed before its first new one, with those that an earlier run had made;
  // kEnded: that were made; else 0.
  std::int64_t tokens = 0;
};

// Hears what the thread that watches does. Called on that thread, in the middle of its work: it
// must be quick.
class PhaseObserver {
 public:
  virtual ~PhaseObserver() = default;
  virtual void OnSpan(const PhaseSpan& /*span*/) {}
  // Again, with the same `begin`, where a step that has ended goes on with further questions.
  virtual void OnStep(const StepTimes& /*step*/) {}
  virtual void OnRequest(const RequestTime& /*moment*/) {}
};

// As long as it lives the observer hears of this thread, on which it is made and destroyed. There
// may be several.
class PhaseWatch {
 public:
  using Clock = std::int64_t (*)();  // nanoseconds

  explicit PhaseWatch(PhaseObserver& observer);
  // With another clock, where this is the thread's first watch.
  PhaseWatch(PhaseObserver& observer, Clock clock);
  ~PhaseWatch();
  PhaseWatch(const PhaseWatch&) = delete;
  PhaseWatch& operator=(const PhaseWatch&) = delete;

 private:
  PhaseObserver& observer_;
};

// This thread is in a phase as long as this lives.
class ScopedPhase {
 public:
  explicit ScopedPhase(Phase phase);
  ~ScopedPhase();
  ScopedPhase(const ScopedPhase&) = delete;
  ScopedPhase& operator=(const ScopedPhase&) = delete;

 private:
  Phase outer_ = Phase::kOther;
  std::int64_t begin_ = 0;
  bool is_watched_;
};

// The bounds of steps, in no phase. What is between an end and the next beginning is no step's.
enum class NextStep : std::uint8_t { kFollows, kLater };  // kFollows: it begins where this one ends
void BeginStep();                                         // its number is not known yet
void NameStep(std::int64_t step, std::int64_t tokens);    // begins it, if nothing has
void EndStep(NextStep next);
void DropStep();  // what has begun, and has no name, is no step

// A moment of a request. at: when it was, where that is known; 0: now.
void NoteRequest(std::int64_t request, RequestMoment moment, std::int64_t tokens = 0,
                 std::int64_t at = 0);

// What all times here are: nanoseconds of the steady clock.
std::int64_t SteadyNanoseconds();

}  // namespace lockstep
