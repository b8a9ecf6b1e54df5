#pragma once

#include <vector>

#include "layers/kernels/cuda/cuda_linear.h"
#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/device_module.h"

namespace lockstep::cuda {

// Reading of memory, and products of square bf16 matrices by cuBLAS with sums in fp32, by the
// device's own clock: the best of a few turns. Takes up to 1.5 GB of the device for that time, less
// where it has fewer processors.
std::vector<DeviceRate> MeasureDeviceRates(CudaStream& stream, Cublas& cublas);

}  // namespace lockstep::cuda
