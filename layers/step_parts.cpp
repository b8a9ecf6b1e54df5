#include "layers/step_parts.h"

#include <algorithm>

namespace lockstep {

StepHalves::StepHalves(std::int64_t rows, std::span<const SequenceRows> sequences)
    : halves_{{.begin = 0, .rows = rows / 2}, {.begin = rows / 2, .rows = rows - rows / 2}} {
  for (const SequenceRows& sequence : sequences)
    for (Half& half : halves_) {
      const std::int64_t begin = std::max(sequence.first_row, half.begin);
      const std::int64_t end =
          std::min(sequence.first_row + sequence.token_count, half.begin + half.rows);
      if (begin >= end) continue;
      SequenceRows& here = half.sequences.emplace_back(sequence);
      here.first_row = begin - half.begin;
      here.token_count = end - begin;
      here.start = sequence.start + begin - sequence.first_row;
    }
}

std::vector<StepPart> StepHalves::parts() const {
  std::vector<StepPart> parts;
  for (const Half& half : halves_)
    parts.push_back({.begin = half.begin, .rows = half.rows, .sequences = half.sequences});
  return parts;
}

}  // namespace lockstep
