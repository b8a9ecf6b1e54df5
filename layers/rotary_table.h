#pragma once

#include "layers/kernels/device.h"
#include "partition/model/model_spec.h"

namespace lockstep {

// cos and sin of position * frequency, i < dims / 2: [context, dims / 2] fp32, on the device. The
// frequencies are base^(-2i / dims) (Su et al., RoFormer, arXiv:2104.09864), or what spec.rope
// makes of them. They and the angles are rounded to fp32 as transformers does, so that long
// contexts see the same angles.
struct RotaryTable {
  Tensor cos;
  Tensor sin;
};

RotaryTable MakeRotaryTable(const ModelSpec& spec, Device& device);

}  // namespace lockstep
