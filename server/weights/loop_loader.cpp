#include "server/weights/loop_loader.h"

#include <chrono>
#include <memory>
#include <utility>

#include "runtime/world/world.h"

namespace lockstep {
namespace {

// Makes the call in any case: where the loop ends first, it says so.
class Promise {
 public:
  explicit Promise(OnLoaded on_end) : on_end_(std::move(on_end)) {}
  ~Promise() { Keep({.error = Error(ExitCode::kInterrupted, "the server was stopped")}); }
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;

  void Keep(const LoadOutcome& outcome) {
    if (const OnLoaded on_end = std::exchange(on_end_, nullptr)) on_end(outcome);
  }

 private:
  OnLoaded on_end_;
};

}  // namespace

LoadOutcome ReadOutcome(WeightExchange& weights, const std::string& checkpoint) {
  const auto start = std::chrono::steady_clock::now();
  LoadOutcome outcome;
  try {
    weights.Read(checkpoint);
  } catch (const AgreedError& error) {
    outcome.error = error;
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

void LoopLoader::Load(const LoadWish& wish, OnLoaded on_end) {
  const auto promise = std::make_shared<Promise>(std::move(on_end));
  loop_.WhenIdle({.work = [this, checkpoint = wish.checkpoint,
                           promise] { promise->Keep(LoadNow(checkpoint)); },
                  .until = wish.until,
                  .on_late = [promise] { promise->Keep(TooLate()); }});
}

LoadOutcome LoopLoader::LoadNow(const std::string& checkpoint) {
  LoadOutcome outcome = ReadOutcome(weights_, checkpoint);
  if (!outcome.error) weights_.Switch();
  return outcome;
}

}  // namespace lockstep
