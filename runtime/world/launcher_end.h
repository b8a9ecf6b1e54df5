#pragma once

#include <sys/types.h>

#include <string_view>

namespace lockstep {

// For a rank that has said why its world ends, under an mpirun that is not our own: sees to it that
// mpirun, or its daemon on this host, ends too. It would wait for many minutes for a host that has
// vanished, or behind a link that is cut. Leaves a process behind that waits for the end for so
// long, then makes it. Batch systems' own daemons are left alone.
void EndLauncherLater(int patience_milliseconds = 10'000);

// Kills a launcher and what it has started on this host: ranks, and the shells through which it has
// reached others, which wait for those. For handlers and children of processes with threads, too.
void KillLauncher(pid_t launcher);

// Whether a program of this name is such a launcher.
bool IsLauncher(std::string_view name);

}  // namespace lockstep
