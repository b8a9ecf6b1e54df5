#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep {

// Ctrl-C and its relatives, seen by a process that is in the middle of a step.
//
// SIGINT, SIGTERM, SIGHUP and SIGUSR1 (which mpirun passes on to its ranks) only set a flag. The
// generation loop of rank 0 looks at it between steps and spreads it in its next step message,
// so that all ranks stop at the same step. A second SIGINT or SIGTERM ends the process at once
// with kInterrupted.

// Call once, before any other thread starts. SIGHUP stays ignored where it was (nohup).
void InstallInterruptHandlers();

bool InterruptRequested();

// Whether it was a SIGTERM: in a rank that is how mpirun ends what is left of a world.
bool TerminationRequested();

// As if a signal had come.
void RequestInterrupt();

// For a rank whose orders to stop come as SIGUSR1: from now on SIGTERM is mpirun ending what is
// left of the world. It stores 1 here, so that the rank is not taken for the one that died by
// itself, and ends the process at once. Null ends that. The mark outlives its use.
void MarkTermination(std::atomic<std::uint32_t>* mark);

}  // namespace lockstep
