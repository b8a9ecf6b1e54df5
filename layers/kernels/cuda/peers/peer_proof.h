#pragma once

#include <string>

#include "comm/control_plane.h"
#include "layers/kernels/cuda/peers/peer_group.h"

namespace lockstep::cuda {

// Why sums cannot go through the memory of these ranks' peers although CUDA has opened it; "" where
// what each writes and reads there arrives, and two real sums are right. Some machines report such
// memory and lose what is written (ACS, IOMMU), which would be wrong texts or a hang. Collective;
// the same on every rank. Where there is a reason, the group is of no use any more.
std::string WhyNotProven(ControlPlane& world, PeerGroup& group);

}  // namespace lockstep::cuda
