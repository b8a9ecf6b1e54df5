#include "planning/machine/machine.h"

#include <fmt/format.h>

#include <limits>

namespace lockstep {

std::string UnitsOf(const Machine& machine, std::int64_t count) {
  const char* unit = machine.kind == MachineKind::kGpu ? "GPU" : "core";
  return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
}

Machine WithoutLosses(Machine machine) {
  machine.efficiency = {};
  machine.efficiency.activations = std::numeric_limits<double>::infinity();
  machine.overhead = {};
  return machine;
}

bool Computes(MachineKind kind, WeightFormat format) {
  switch (format) {
    case WeightFormat::kBF16:
    case WeightFormat::kInt8:
    case WeightFormat::kInt4: return true;
    case WeightFormat::kF16:
    case WeightFormat::kF8: return kind == MachineKind::kGpu;
    case WeightFormat::kF32: break;
  }
  return kind == MachineKind::kCpu;
}

bool Computes(const Machine& machine, WeightFormat format) {
  return Computes(machine.kind, format) && machine.arithmetic[format] > 0.0;
}

}  // namespace lockstep
