#pragma once

namespace lockstep::testing {

// That it has sent or asked for until now, by MPI_Isend and MPI_Irecv.
int MessagesOfThisRank();

// From now on this process's MPI_Testsome() computes for ever, as Open MPI's does on a connection
// that has broken.
void ComputeForeverInTestsome();

}  // namespace lockstep::testing
