#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/numbers/weight_format.h"

namespace lockstep {

// What `lockstep bench scaling` measures: a point for each rank count, number of stages, dtype,
// batch, prompt and length.
struct ScalingOptions {
  enum class Kind : std::uint8_t {
    kStrong,  // the same batch on all rank counts
    kWeak,    // a batch for each rank, together
    kBoth
  };

  Kind kind = Kind::kBoth;
  std::vector<std::int64_t> ranks;               // empty: as many as the cores allow
  std::vector<std::int64_t> stages;              // that they are cut into; empty: that of --pp
  std::vector<WeightFormat> dtypes;              // empty: that of the model
  std::vector<std::int64_t> batch_sizes{1};      // sequences: in all, or (weak) of each rank
  std::vector<std::int64_t> prompt_tokens{128};  // of each sequence
  std::vector<std::int64_t> new_tokens{32};      // of each sequence, that are timed
  std::int64_t rounds = 5;                       // over all points
  std::string json_file;                         // "-": standard output; empty: none
  std::string csv_file;
  std::string html_file;

  bool is_strong() const { return kind != Kind::kWeak; }
  bool is_weak() const { return kind != Kind::kStrong; }
};

}  // namespace lockstep
