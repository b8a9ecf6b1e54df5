#pragma once

namespace lockstep::testing {

// That it has sent or asked for until now, by MPI_Isend and MPI_Irecv.
int MessagesOfThisRank();

}  // namespace lockstep::testing
