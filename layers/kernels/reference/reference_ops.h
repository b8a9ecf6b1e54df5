#pragma once

#include <memory>

#include "layers/kernels/ops.h"

namespace lockstep::reference {

// Plain fp32 loops, one thread, never optimised: every other backend is tested against it.
std::unique_ptr<Ops> MakeOps();

}  // namespace lockstep::reference
