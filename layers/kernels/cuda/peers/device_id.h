#pragma once

#include <string>

namespace lockstep::cuda {

// What tells a GPU, or a slice of one (MIG), from all others, in every process that sees it:
// "GPU-..." as in nvidia-smi -L, or the slice as CUDA_VISIBLE_DEVICES names it. The place on the
// bus would not do: all slices of a GPU have one. Throws EnvironmentError.
std::string DeviceId(int device);

}  // namespace lockstep::cuda
