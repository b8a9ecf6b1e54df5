#include "layers/rotary_table.h"

#include <cmath>

namespace lockstep {

RotaryTable MakeRotaryTable(const ModelSpec& spec, Backend& backend) {
  const std::int64_t half = spec.rotary_dims / 2;
  const Shape shape{spec.context_tokens, half};
  const Tensor cos = Tensor::OnHost(DType::kF32, shape);
  const Tensor sin = Tensor::OnHost(DType::kF32, shape);
  const auto base = static_cast<float>(spec.rotary_base);
  for (std::int64_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(spec.rotary_dims);
    const float frequency = 1.0f / std::pow(base, exponent);
    for (std::int64_t position = 0; position < spec.context_tokens; ++position) {
      const float angle = static_cast<float>(position) * frequency;
      cos.view().data<float>()[position * half + i] = std::cos(angle);
      sin.view().data<float>()[position * half + i] = std::sin(angle);
    }
  }
  RotaryTable table{backend.Allocate(DType::kF32, shape), backend.Allocate(DType::kF32, shape)};
  backend.Upload(cos.view(), table.cos.view());
  backend.Upload(sin.view(), table.sin.view());
  return table;
}

}  // namespace lockstep
