#pragma once

#include <functional>
#include <string>
#include <vector>

#include "planning/machine/machine.h"
#include "runtime/options/option_table.h"

namespace lockstep {

// One value of a machine's file.
struct MachineKey {
  std::string path;      // "memory.gb_s"
  std::string expected;  // "a number from 0.1 to 100000"
  std::string help;      // one line, with the unit
  bool on_cpu = true;    // whether such a machine has it
  bool on_gpu = true;
  bool required = false;
  // Throws BadInput naming value.name, what was found and what was expected.
  std::function<void(Machine&, const ConfigValue&)> set;
  std::function<std::string(const Machine&)> print;  // as YAML; empty: it has none

  bool belongs_to(MachineKind kind) const { return kind == MachineKind::kCpu ? on_cpu : on_gpu; }
};

// All keys, in the order in which they are printed, those of a section together.
const std::vector<MachineKey>& MachineKeys();

}  // namespace lockstep
