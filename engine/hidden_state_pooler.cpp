#include "engine/hidden_state_pooler.h"

#include "core/error.h"

namespace lockstep {

void HiddenStatePooler::Add(std::int64_t start, std::span<const float> states, std::size_t width) {
  if (start == 0) count_ = 0;
  LOCKSTEP_CHECK(start == count_, "states from token {}, {} were there", start, count_);
  for (; !states.empty(); states = states.subspan(width), ++count_) {
    if (count_ == 0 || pooling_ == Pooling::kLast) {
      sum_.assign(states.begin(), states.begin() + static_cast<std::ptrdiff_t>(width));
      continue;
    }
    for (std::size_t i = 0; i < width; ++i) sum_[i] += static_cast<double>(states[i]);
  }
}

std::vector<float> HiddenStatePooler::Vector() const {
  const double scale = pooling_ == Pooling::kMean ? 1.0 / static_cast<double>(count_) : 1.0;
  std::vector<float> vector;
  vector.reserve(sum_.size());
  for (const double value : sum_) vector.push_back(static_cast<float>(value * scale));
  return vector;
}

}  // namespace lockstep
