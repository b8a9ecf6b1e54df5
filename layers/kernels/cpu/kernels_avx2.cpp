#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "avx2"

namespace lockstep::cpu::avx2 {
#include "layers/kernels/cpu/kernels.inc"
}  // namespace lockstep::cpu::avx2
