#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/engine_ranks.h"
#include "engine/request.h"
#include "engine/scheduling/scheduler.h"

namespace lockstep {

class Decoder;

struct EngineOptions {
  std::int64_t max_sequences = 16;     // decoded together
  std::int64_t max_step_tokens = 512;  // prompt and decode tokens of one step
  std::int64_t mixed_step_tokens = 0;  // as in SchedulerOptions
  PrefixCache prefix_cache = PrefixCache::kOn;
  // Ids from here on are padding of the vocabulary and are never sampled. 0: there is none.
  std::int64_t sampled_vocab = 0;
  // Each of them ends a text, unless its request ignores them (finish reason kEos).
  std::vector<std::int32_t> end_tokens = {};
  // Of requests with `embedding`: the embedding's output (0), that of so many blocks, or of all
  // blocks and the final norm.
  std::int64_t hidden_layer = 0;
};

// What steps have been and taken, since the beginning.
struct StepCounts {
  // Upper bounds of by_tokens; the last number there is of what is above them all.
  static constexpr std::array<std::int64_t, 13> kTokenBounds{1,   8,    16,   32,   64,   128,  256,
                                                             512, 1024, 2048, 4096, 8192, 16384};
  std::array<std::int64_t, kTokenBounds.size() + 1> by_tokens{};  // steps
  std::int64_t tokens = 0;
  std::int64_t nanoseconds = 0;  // on rank 0, from the plan to the answers
  // Of these, in all-reduces, waiting for the peers included. Stays 0 where a device makes them by
  // itself.
  std::int64_t all_reduce_nanoseconds = 0;

  void Add(const StepCounts& other);
};

struct EngineStatus {
  std::int64_t waiting = 0;
  std::int64_t running = 0;
  std::int64_t pages = 0;       // of the KV cache
  std::int64_t pages_used = 0;  // of these, pages that sequences use; the others can be had
  SchedulerCounts counts;
  StepCounts steps;

  void Add(const EngineStatus& other);
};

// The part of the engine that decides, on rank 0. The other ranks run RunWorker() with the same
// decoder; they learn everything from the one message broadcast per step.
// Not thread-safe: one thread makes every call, which owns decoder, control plane and device;
// serving/engine_loop.h lets others in.
class Engine {
 public:
  // The decoder and the ranks' control planes stay the caller's and outlive the engine.
  Engine(Decoder& decoder, const EngineRanks& ranks, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Queues a request. Throws BadInput when the prompt is empty, holds an id outside the
  // vocabulary, or does not fit the context together with at least one new token; a
  // max_new_tokens that runs past the context is cut there (finish reason kLength).
  void Submit(Request request);

  // Goes on from a request that `branches` and has given its last event: ends it, and begins each
  // child, the same request with `token` behind its prompt. Children share what has been computed.
  // Throws BadInput like Submit(); then nothing has changed.
  struct Branching {
    std::int64_t child = 0;
    std::int32_t token = 0;
  };
  void Branch(std::int64_t request, std::span<const Branching> children);

  // Ends a request early (a stop string was found); it gives no further events.
  void Cancel(std::int64_t request);

  bool idle() const;
  const EngineOptions& options() const;
  // Of one sequence, prompt and continuation together: the context, or less if the cache is small.
  std::int64_t most_tokens() const;
  EngineStatus status() const;

  // Called in Launch() for each request whose first step begins, before it is computed. It may call
  // Submit() and nothing else.
  void set_on_begun(std::function<void(std::int64_t request)> call);

  // One iteration over the requests in flight, in two parts. Launch() plans a step, tells the other
  // ranks and starts it: where the device lags behind the calls it returns before the step is
  // computed, else afterwards. Collect() waits for it and gives its events: at most one new token
  // for each request. What the next step computes depends on them, so one step is under way at a
  // time. In between only Submit(), and nothing that takes long: the other ranks hear of nothing.
  // In a pipeline each step begins a batch and takes those before it to the next stage: its events
  // are those of the batch that has come to the end.
  void Launch();
  std::vector<TokenEvent> Collect();
  // Both.
  std::vector<TokenEvent> Step() {
    Launch();
    return Collect();
  }

  // Something else than a step that all ranks do together, between two steps: the other ranks are
  // given these words (not empty) by RunWorker(), and this one does `work`. Both may talk to each
  // other by the control plane. Meanwhile KeepAlive() says nothing.
  void Together(std::string_view words, const std::function<void()>& work);

  // The decoder has other weights now. What was computed with those before is forgotten, and these
  // count from now on, as in EngineOptions. Nothing may be in flight.
  void Renew(std::int64_t sampled_vocab, std::vector<std::int32_t> end_tokens);

  // Tells the workers that rank 0 is busy with something else. They take it for lost when they
  // hear nothing for a deadline of the world, so whoever takes long between steps calls this every
  // few seconds. Nothing happens in a step, which they wait for, and after Shutdown().
  void KeepAlive();
  // How long the workers wait for rank 0 to say something.
  double deadline_seconds() const;

  // Lets the workers return: the last call. Not done by the destructor, because after an error
  // there may be nobody left to tell.
  void Shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The other ranks: executes step messages until rank 0 says shutdown. together: their part in what
// Engine::Together() does, given its words; without one there may be none.
using WorkTogether = std::function<void(std::string_view words)>;
void RunWorker(Decoder& decoder, const EngineRanks& ranks, const WorkTogether& together = {});

}  // namespace lockstep
