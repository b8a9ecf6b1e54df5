#pragma once

#include "server/weights/weight_loader.h"
#include "serving/engine_loop.h"
#include "serving/weight_exchange.h"

namespace lockstep {

// Of ranks whose first one is this process.
class LoopLoader : public WeightLoader {
 public:
  // Both stay the caller's and outlive it.
  LoopLoader(EngineLoop& loop, WeightExchange& weights) : loop_(loop), weights_(weights) {}

  void Load(const LoadWish& wish, OnLoaded on_end) override;

 private:
  LoadOutcome LoadNow(const std::string& checkpoint);

  EngineLoop& loop_;
  WeightExchange& weights_;
};

// Reads another checkpoint; an error that all ranks have agreed upon becomes the outcome.
LoadOutcome ReadOutcome(WeightExchange& weights, const std::string& checkpoint);

}  // namespace lockstep
