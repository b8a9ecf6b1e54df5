#pragma once

#include <optional>

namespace lockstep {

// What the environment says about how this process was started, before MPI is.

// Among its peers; 0 outside a world.
int AnnouncedRank();

// The world's size; nothing where the launcher does not tell it.
std::optional<int> AnnouncedSize();

// Whether all ranks of the world are known to be on this host.
bool AllRanksAreHere();

// Whether the launcher offers its ranks a way to find each other.
bool HasProcessManager();

// Whether that way is PMI-2 alone, as `srun --mpi=pmi2` has it.
bool OffersPmi2Only();

// Whether an mpirun that is started here may put ranks on other hosts: a batch system has given
// this job several, or the user has named some.
bool MayUseOtherHosts();

}  // namespace lockstep
