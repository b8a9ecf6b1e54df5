#pragma once

#include <memory>

#include "layers/kernels/ops.h"

namespace lockstep::cpu {

// The CPU backend's: vectorised, on `threads` threads, the caller's among them. Which instructions
// it uses is chosen when the program runs. A row's result does not depend on the other rows of
// the batch nor on the number of threads.
std::unique_ptr<Ops> MakeOps(int threads);

}  // namespace lockstep::cpu
