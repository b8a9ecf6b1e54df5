#pragma once

#include <optional>

#include "core/numbers/weight_format.h"

namespace lockstep {

// --dtype: a format for the weights, or auto, which leaves it to the checkpoint and to what
// computes (runtime/auto_format.h).
struct DtypeChoice {
  std::optional<WeightFormat> format;  // unset: auto

  DtypeChoice() = default;
  DtypeChoice(WeightFormat stated) : format(stated) {}

  bool is_auto() const { return !format; }
  bool operator==(const DtypeChoice&) const = default;
};

}  // namespace lockstep
