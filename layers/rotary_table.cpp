#include "layers/rotary_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace lockstep {
namespace {

// The dim at which a wave makes so many turns within the context.
double DimOfTurns(const Rope& rope, std::int64_t dims, double turns) {
  return static_cast<double>(dims) *
         std::log(rope.original_context_tokens / (turns * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(rope.base));
}

// How far each frequency of yarn goes from its own (0) to a `factor` slower one (1).
std::vector<float> YarnRamp(const Rope& rope, std::int64_t dims) {
  double low = DimOfTurns(rope, dims, rope.beta_fast);
  double high = DimOfTurns(rope, dims, rope.beta_slow);
  if (rope.whole_ramp) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dims - 1));
  if (low == high) high += 0.001;  // transformers' way around a division by zero
  std::vector<float> ramp(static_cast<std::size_t>(dims / 2));
  for (std::size_t i = 0; i < ramp.size(); ++i)
    ramp[i] = std::clamp(
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f,
        1.0f);
  return ramp;
}

float Llama3Frequency(const Rope& rope, float frequency) {
  const auto context = static_cast<float>(rope.original_context_tokens);
  const auto factor = static_cast<float>(rope.factor);
  const double low = rope.low_frequency_factor;
  const double high = rope.high_frequency_factor;
  const float wavelength = static_cast<float>(2.0 * std::numbers::pi) / frequency;
  if (wavelength > static_cast<float>(rope.original_context_tokens / low))
    return frequency / factor;
  if (wavelength < static_cast<float>(rope.original_context_tokens / high)) return frequency;
  const float smooth =
      (context / wavelength - static_cast<float>(low)) / static_cast<float>(high - low);
  return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

// What the exponents are taken of. Dynamic scaling computes it for the whole context, where all but
// rounding cancels out.
float BaseOf(const ModelSpec& spec, std::int64_t dims) {
  const Rope& rope = spec.rope;
  if (rope.type != RopeType::kDynamic) return static_cast<float>(rope.base);
  const auto context = static_cast<double>(spec.context_tokens);
  const auto count = static_cast<double>(dims);
  const double growth = rope.factor * context / context - (rope.factor - 1.0);
  return static_cast<float>(rope.base * std::pow(growth, count / (count - 2.0)));
}

std::vector<float> Frequencies(const ModelSpec& spec) {
  const Rope& rope = spec.rope;
  const std::int64_t dims = spec.rotary_dims - (rope.odd_dims ? 1 : 0);
  const float base = BaseOf(spec, dims);
  const auto factor = static_cast<float>(rope.factor);
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < spec.rotary_dims / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dims);
    const float own = 1.0f / std::pow(base, exponent);
    frequencies.push_back(rope.type == RopeType::kLinear   ? own / factor
                          : rope.type == RopeType::kLlama3 ? Llama3Frequency(rope, own)
                                                           : own);
  }
  if (rope.type != RopeType::kYarn) return frequencies;
  const std::vector<float> ramp = YarnRamp(rope, spec.rotary_dims);
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = frequencies[i] / factor * ramp[i] + frequencies[i] * (1.0f - ramp[i]);
  return frequencies;
}

}  // namespace

RotaryTable MakeRotaryTable(const ModelSpec& spec, Device& device) {
  const std::vector<float> frequencies = Frequencies(spec);
  const auto half = static_cast<std::int64_t>(frequencies.size());
  const Shape shape{spec.context_tokens, half};
  const Tensor cos = Tensor::OnHost(DType::kF32, shape);
  const Tensor sin = Tensor::OnHost(DType::kF32, shape);
  const auto scale = static_cast<float>(spec.rope.attention_factor);
  for (std::int64_t i = 0; i < half; ++i) {
    for (std::int64_t position = 0; position < spec.context_tokens; ++position) {
      const float angle = static_cast<float>(position) * frequencies[static_cast<std::size_t>(i)];
      cos.view().data<float>()[position * half + i] = std::cos(angle) * scale;
      sin.view().data<float>()[position * half + i] = std::sin(angle) * scale;
    }
  }
  RotaryTable table{device.Allocate(DType::kF32, shape), device.Allocate(DType::kF32, shape)};
  device.Upload(cos.view(), table.cos.view());
  device.Upload(sin.view(), table.sin.view());
  return table;
}

}  // namespace lockstep
