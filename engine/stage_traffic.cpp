#include "engine/stage_traffic.h"

#include <utility>

#include "core/error.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

std::span<const std::byte> BytesIn(const TensorView& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

}  // namespace

std::size_t StageTraffic::BytesOf(std::int64_t tokens) const {
  return static_cast<std::size_t>(tokens * decoder_.spec().d_model) * sizeof(float);
}

void StageTraffic::BeginStep() {
  std::swap(current_, next_);
  next_.step = 0;
}

std::span<const std::byte> StageTraffic::Input(std::int64_t step, std::int64_t tokens) const {
  if (decoder_.is_first_stage()) return {};
  const std::size_t bytes = BytesOf(tokens);
  LOCKSTEP_CHECK(current_.step == step && current_.bytes.size() >= bytes,
                 "stage {} has {} bytes of step {}, expected {} of step {}", decoder_.stage(),
                 current_.bytes.size(), current_.step, bytes, step);
  return std::span(current_.bytes).first(bytes);
}

void StageTraffic::Exchange(std::span<const std::int64_t> stages, std::int64_t tokens) {
  const auto stage = static_cast<std::size_t>(decoder_.stage());
  const bool sends = !decoder_.is_last_stage() && stages[stage] != 0;
  const bool receives = !decoder_.is_first_stage() && stages[stage - 1] != 0;
  const bool sends_first = stage % 2 == 0;
  const ScopedPhase transfer(Phase::kTransfer);
  if (sends && sends_first) Send(tokens);
  if (receives) Receive(stages[stage - 1]);
  if (sends && !sends_first) Send(tokens);
}

void StageTraffic::Send(std::int64_t tokens) {
  const std::span<const std::byte> output = BytesIn(decoder_.output());
  const std::span<const float> hidden = Hidden(tokens);
  const int to = control_.rank() + ranks_;
  if (hidden.empty()) return control_.Send(to, output);
  const std::span<const std::byte> kept = std::as_bytes(hidden);
  both_.assign(output.begin(), output.end());
  both_.insert(both_.end(), kept.begin(), kept.end());
  control_.Send(to, both_);
}

void StageTraffic::Receive(std::int64_t step) {
  control_.Recv(control_.rank() - ranks_, next_.bytes);
  next_.step = step;
}

std::span<const float> StageTraffic::Hidden(std::int64_t tokens) const {
  if (decoder_.has_hidden()) {
    const TensorView hidden = decoder_.hidden();
    return {hidden.data<float>(), static_cast<std::size_t>(hidden.elements())};
  }
  const std::size_t bytes = BytesOf(tokens);
  if (decoder_.is_first_stage() || current_.bytes.size() <= bytes) return {};
  const auto kept = std::span(current_.bytes).subspan(bytes);
  return {reinterpret_cast<const float*>(kept.data()), kept.size() / sizeof(float)};
}

}  // namespace lockstep
