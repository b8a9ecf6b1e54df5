#pragma once

#include <string>

#include "engine/engine.h"
#include "runtime/other_weights.h"

namespace lockstep {

// Exchanges the weights of a group of ranks for those of another checkpoint of the same shape, such
// as other revisions of one model: the ranks, their devices and their cache stay. Results are then
// those of ranks that were started with that checkpoint, to the last bit. On rank 0.
//
// Not thread-safe: for the engine's thread, between its steps (EngineLoop::WhenIdle(), a Source).
class WeightExchange {
 public:
  // All stay the caller's and outlive it. tokenizer: of the model that runs, which has to be that
  // of the others too; null: there is none.
  WeightExchange(Engine& engine, OtherWeights& others, const Tokenizer* tokenizer)
      : engine_(engine), others_(others), tokenizer_(tokenizer) {}

  // Reads a checkpoint on all ranks, beside the weights that they have, with which they can go on
  // afterwards. Throws BadInput where there is none of this name, it cannot be read or is not of
  // the same shape, EnvironmentError where there is no room for both; then all is as before.
  void Read(const std::string& checkpoint);
  // Goes on with what was read; nothing may be in flight. What was computed with the weights before
  // is forgotten, and what ends a text is what the new checkpoint says.
  void Switch();
  // Lets go of what was read, if anything.
  void Drop();

  // Both, for whoever has nothing in flight.
  void Load(const std::string& checkpoint) {
    Read(checkpoint);
    Switch();
  }

  // Of the weights in use.
  const ModelFiles& model() const { return others_.model(); }

 private:
  Engine& engine_;
  OtherWeights& others_;
  const Tokenizer* tokenizer_;
};

}  // namespace lockstep
