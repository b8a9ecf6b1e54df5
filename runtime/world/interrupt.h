#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep {

// Ctrl-C and its relatives: SIGINT, SIGTERM, SIGHUP, and SIGUSR1, which mpirun passes on to its
// ranks.
//
// They end the process at once with kInterrupted while it starts, joins its world, loads weights or
// measures: nothing would be lost. After FinishStepsOnInterrupt() they only set a flag. The
// generation loop of rank 0 looks at it between steps and spreads it in its next step message, so
// that all ranks stop at the same step. A second SIGINT or SIGTERM then ends the process at once.
// One within 0.1 s of the first belongs to it: service managers and shells signal a process and its
// group.

// Call once, before any other thread starts. SIGHUP stays ignored where it was (nohup).
void InstallInterruptHandlers();

// This process says on standard error that it has heard, unless the log is told to be quiet. For a
// process that no parent of ours speaks for.
void AnnounceInterrupts();

// Why this process ends has been said: what mpirun sends to the ranks that leave last is no news.
void AnnounceNoInterrupts();

// From now on there is work whose results must be left in good order. finishing: what is said then;
// it outlives the process's last signal.
void FinishStepsOnInterrupt(const char* finishing = "finishing the step");

// Whether this process, or one that shares its marks, has been asked to stop.
bool InterruptRequested();

// For how long whoever has started this rank, such as mpirun, has been ending what is left of the
// world; 0: it is not.
double SecondsOfTermination();

// Where a rank whose parent is ours leaves word for it and for the other ranks. They outlive their
// use. All null: nowhere.
struct InterruptMarks {
  std::atomic<std::uint32_t>* stop = nullptr;         // somebody has been asked to stop
  std::atomic<std::uint32_t>* told_to_end = nullptr;  // by mpirun: this rank did not die by itself
  std::atomic<std::int32_t>* signal = nullptr;        // that this rank got from anybody else
};

// SIGTERM from the process that has started this one is then mpirun ending what is left of the
// world: it ends this rank at once, unless it is leaving in good order anyway. The same signal from
// anybody else asks all ranks to stop.
void ShareInterrupts(const InterruptMarks& marks);

}  // namespace lockstep
