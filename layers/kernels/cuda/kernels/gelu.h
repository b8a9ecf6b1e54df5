#pragma once

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// docs/dev/numerics.md, Formulas.
__device__ __forceinline__ float Activate(Gelu gelu, float x) {
  switch (gelu) {
    case Gelu::kNone: return x;
    case Gelu::kExact: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case Gelu::kTanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
  }
  return x;
}

}  // namespace lockstep::cuda
