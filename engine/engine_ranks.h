#pragma once

namespace lockstep {

class ControlPlane;

// The ranks of an engine: those of one copy of the model. Whoever is given them borrows both.
struct EngineRanks {
  // Implicit: mostly there are no stages.
  EngineRanks(ControlPlane& copy_in) : copy(copy_in) {}  // NOLINT(google-explicit-constructor)
  EngineRanks(ControlPlane& copy_in, ControlPlane& stage_in) : copy(copy_in), stage(&stage_in) {}

  ControlPlane& copy;             // stage by stage, those of one stage following each other
  ControlPlane* stage = nullptr;  // those of this rank's stage; null: they tell each other nothing
};

}  // namespace lockstep
