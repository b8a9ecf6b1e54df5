#pragma once

namespace lockstep::cuda {

// How often a kernel that waits for a peer looks at its flag in a second, at most, where this runs.
double PeerLooksPerSecond();

}  // namespace lockstep::cuda
