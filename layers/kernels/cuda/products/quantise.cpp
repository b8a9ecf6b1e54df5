#include "layers/kernels/cuda/products/quantise.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/numbers/float8.h"

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

void RoundToFp8(std::span<const float> x, Float8* values, float* scale) {
  // Zeros have a scale as well, and no scale's inverse is infinite.
  float largest = 1e-30f;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  *scale = largest / Float8::kLargest;
  const float factor = Float8::kLargest / largest;
  for (std::size_t i = 0; i < x.size(); ++i) values[i] = Float8(x[i] * factor);
}

}  // namespace

QuantisedWeight Quantise(const TensorView& weight, std::span<const Range> ranges) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  InputGroups of_inputs = GroupsOf(ranges, kInt8GroupInputs);
  const std::vector<Range>& groups = of_inputs.groups;
  const std::int64_t count = std::ssize(groups);
  QuantisedWeight made{.values = Tensor::OnHost(DType::kI32, {(outputs * inputs + 3) / 4}),
                       .scales = Tensor::OnHost(DType::kF32, {outputs, count}),
                       .first_group = std::move(of_inputs.first)};
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

Fp8Weight QuantiseToFp8(const TensorView& weight, std::span<const Range> ranges) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  Fp8Weight made{.values = Tensor::OnHost(DType::kI32, {(outputs * inputs + 3) / 4}),
                 .scales = Tensor::OnHost(DType::kF32, {std::ssize(ranges), outputs})};
  auto* values = reinterpret_cast<Float8*>(made.values.view().raw());
  auto* scales = made.scales.view().data<float>();
  for (const Range& range : ranges)
    for (std::int64_t output = 0; output < outputs; ++output) {
      const std::int64_t at = output * inputs + range.begin;
      RoundToFp8({weight.data<float>() + at, static_cast<std::size_t>(range.size())}, values + at,
                 scales++);
    }
  return made;
}

InputGroups GroupsOf(std::span<const Range> ranges, std::int64_t group_inputs) {
  InputGroups made;
  for (const Range& range : ranges) {
    made.first.push_back(std::ssize(made.groups));
    for (std::int64_t at = range.begin; at < range.end; at += group_inputs)
      made.groups.push_back({at, std::min(at + group_inputs, range.end)});
  }
  return made;
}

}  // namespace lockstep::cuda
