#include "layers/kernels/cuda/products/quantise.h"

#include <algorithm>
#include <cmath>

namespace lockstep::cuda {
namespace {

void QuantiseGroup(std::span<const float> x, std::int8_t* values, float* scale) {
  float largest = 0.0f;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  *scale = largest / 127.0f;
  const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i)
    values[i] = static_cast<std::int8_t>(std::lrint(std::clamp(x[i] * inverse, -127.0f, 127.0f)));
}

}  // namespace

QuantisedWeight Quantise(const TensorView& weight, std::span<const Range> ranges) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  std::vector<Range> groups;
  std::vector<std::int64_t> first_group;
  for (const Range& range : ranges) {
    first_group.push_back(std::ssize(groups));
    for (std::int64_t at = range.begin; at < range.end; at += kInt8GroupInputs)
      groups.push_back({at, std::min(at + kInt8GroupInputs, range.end)});
  }
  const std::int64_t count = std::ssize(groups);
  QuantisedWeight made{.values = Tensor::OnHost(DType::kI32, {(outputs * inputs + 3) / 4}),
                       .scales = Tensor::OnHost(DType::kF32, {outputs, count}),
                       .first_group = std::move(first_group)};
  auto* values = reinterpret_cast<std::int8_t*>(made.values.view().raw());
  auto* scales = made.scales.view().data<float>();
  for (std::int64_t output = 0; output < outputs; ++output)
    for (const Range& group : groups) {
      const std::int64_t at = output * inputs + group.begin;
      QuantiseGroup({weight.data<float>() + at, static_cast<std::size_t>(group.size())},
                    values + at, scales++);
    }
  return made;
}

}  // namespace lockstep::cuda
