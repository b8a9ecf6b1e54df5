#pragma once

#include <memory>

#include "layers/kernels/backend.h"

namespace lockstep::reference {

// Plain fp32 loops, one thread, never optimised: every other backend is tested against it.
std::unique_ptr<Backend> MakeBackend();

}  // namespace lockstep::reference
