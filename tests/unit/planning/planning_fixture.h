#pragma once

#include <string>

#include "planning/prediction.h"
#include "tests/support/known_models.h"

namespace lockstep {

inline ModelSpec Pythia1B4() { return Pythia(24, 2048, 16); }

// A host of two sockets with four cores each, whose numbers are easy to reckon with.
inline Machine RoundHost() {
  Machine machine;
  machine.title = "round host";
  machine.kind = MachineKind::kCpu;
  machine.nodes = 2;
  machine.sockets = 2;
  machine.cores = 4;
  machine.memory_bytes = 100e9;
  machine.bandwidth = 40e9;
  machine.unit_bandwidth = 20e9;
  machine.arithmetic = PerFormat(1e12);
  machine.link(LinkLevel::kCores) = Link{1e-6, 10e9};
  machine.link(LinkLevel::kSockets) = Link{2e-6, 5e9};
  machine.link(LinkLevel::kNetwork) = Link{10e-6, 1e9};
  return machine;
}

inline Machine RoundGpus() {
  Machine machine;
  machine.title = "round GPUs";
  machine.kind = MachineKind::kGpu;
  machine.nodes = 2;
  machine.gpus = 4;
  machine.memory_bytes = 80e9;
  machine.bandwidth = 1e12;
  machine.arithmetic = PerFormat(100e12);
  machine.link(LinkLevel::kNvlink) = Link{5e-6, 100e9};
  machine.link(LinkLevel::kHost) = Link{30e-6, 5e9};
  machine.link(LinkLevel::kNetwork) = Link{20e-6, 10e9};
  return machine;
}

}  // namespace lockstep
