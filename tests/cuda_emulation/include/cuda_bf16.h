#pragma once
#pragma GCC system_header  // #include_next is an extension
// The toolkit's own types; its conversions work on the host.
#include_next <cuda_bf16.h>
#include <cuda_runtime.h>
