#pragma once

#include "layers/kernels/backend.h"

namespace lockstep::cuda {

class CudaDevice;
class CudaOps;
class CudaStepRunner;

// The CUDA backend on this device, for use by the thread that makes it. Throws Error(kEnvironment).
Backend MakeBackend(int device, const BackendSettings& settings);

// The parts of a backend that MakeBackend() has made, as what they are.
CudaDevice& DeviceOf(const Backend& backend);
CudaOps& OpsOf(const Backend& backend);
CudaStepRunner& StepsOf(const Backend& backend);

}  // namespace lockstep::cuda
