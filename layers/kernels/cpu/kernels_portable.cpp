#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "portable"

namespace lockstep::cpu::portable {
#include "layers/kernels/cpu/kernels.inc"
}  // namespace lockstep::cpu::portable
