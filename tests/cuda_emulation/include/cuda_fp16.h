#pragma once
#pragma GCC system_header  // #include_next is an extension
// The toolkit's own types; its conversions work on the host.
// First, as for nvcc.
#include <cuda_runtime.h>
// Then the real one.
#include_next <cuda_fp16.h>
