#pragma once
#pragma GCC system_header  // #include_next is an extension
// Stands before the toolkit's header of this name: types, enumerators and prototypes are the
// toolkit's own, the built-ins of device code and the launch are ours.

#define LOCKSTEP_CUDA_EMULATION_SHIM 1
#ifndef LOCKSTEP_CUDA_EMULATION
#define LOCKSTEP_CUDA_EMULATION 1
#endif
#ifdef __CUDACC__
#error "the emulation's headers are not for nvcc; take tests/cuda_emulation/include off its path"
#endif

// The toolkit's template of this name would reach for the driver; ours takes its place.
#define cudaLaunchKernelEx toolkit_cudaLaunchKernelEx
#include_next <cuda_runtime.h>
#undef cudaLaunchKernelEx

// Kernels take shared memory through the two macros of device_core.h: nothing can stand in for
// `extern __shared__`, so the bare words must not compile.
#undef __shared__
#define __shared__ USE_THE_SHARED_MEMORY_MACROS
#undef __constant__
#define __constant__ CONSTANT_MEMORY_IS_NOT_EMULATED
#undef __launch_bounds__
#define __launch_bounds__(...)

#include "lockstep_emulation/device_atomics.h"
#include "lockstep_emulation/device_core.h"
#include "lockstep_emulation/device_math.h"
#include "lockstep_emulation/kernel_launch.h"
#include "lockstep_emulation/tensor_core.h"
