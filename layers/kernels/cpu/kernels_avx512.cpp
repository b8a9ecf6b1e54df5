#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "avx512"

namespace lockstep::cpu::avx512 {
#include "layers/kernels/cpu/kernels.inc"
}  // namespace lockstep::cpu::avx512
