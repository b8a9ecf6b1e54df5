#pragma once

#include <memory>

#include "layers/kernels/backend.h"

namespace lockstep::cuda {

// The CUDA backend on this device, for use by the thread that makes it. Operations are enqueued on
// one stream; only Download(), Statistics() and Synchronize() wait. Throws Error(kEnvironment).
std::unique_ptr<Backend> MakeBackend(int device);

}  // namespace lockstep::cuda
