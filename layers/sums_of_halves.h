#pragma once

#include <memory>

#include "comm/overlap/sums_beside.h"
#include "comm/reducer.h"
#include "layers/kernels/device.h"

namespace lockstep {

// What makes the sums of one half of a step's rows while a device computes the other half: a thread
// of its own on the host, else a queue of the device beside its stream. Both stay the caller's and
// outlive it.
std::unique_ptr<SumsBeside> MakeSumsBeside(Device& device, Reducer& reducer);

}  // namespace lockstep
