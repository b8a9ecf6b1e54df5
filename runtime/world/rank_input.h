#pragma once

#include "runtime/world/rank_board.h"

namespace lockstep {

// Makes the standard input of the process that created the board this process's own, at the
// position it has there. Not mpirun's way: Open MPI 4.1 crashes now and then when it forwards
// input, and reads more of it than the ranks ask for. A terminal is not taken over, because
// ranks run in the background; nor is a socket, which cannot be. Input is then empty.
void AdoptParentInput(const RankBoard& board);

}  // namespace lockstep
