#pragma once

#include <memory>

#include "kernel_fixture.h"

namespace lockstep::cuda {

// A weight of 8 bits on host and device.
struct TestInt8Weight {
  TestInt8Weight(Random& random, std::int64_t all_outputs, std::int64_t all_inputs,
                 std::int64_t group)
      : outputs(all_outputs), inputs(all_inputs), group_inputs(group) {
    for (std::int64_t i = 0; i < outputs * inputs; ++i)
      values.push_back(static_cast<std::int8_t>(random.Int(-128, 127)));
    scales = random.Values(outputs * ((inputs + group - 1) / group), 0.01f);
    device_values = std::make_unique<Device<std::int8_t>>(values);
    device_scales = std::make_unique<Device<float>>(scales);
  }
  float At(std::int64_t output, std::int64_t input) const {
    const std::int64_t groups = (inputs + group_inputs - 1) / group_inputs;
    return static_cast<float>(values[static_cast<std::size_t>(output * inputs + input)]) *
           scales[static_cast<std::size_t>(output * groups + input / group_inputs)];
  }
  Int8Weight Get() const {
    return {device_values->data(), device_scales->data(), outputs, inputs, group_inputs};
  }

  std::int64_t outputs, inputs, group_inputs;
  std::vector<std::int8_t> values;
  Floats scales;
  std::unique_ptr<Device<std::int8_t>> device_values;
  std::unique_ptr<Device<float>> device_scales;
};

}  // namespace lockstep::cuda
