#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "comm/control_plane.h"
#include "core/error.h"

namespace lockstep {

// Throws BadInput where a trace cannot go to such a file, EnvironmentError where it cannot be
// written. Before anything is computed.
void CheckTraceFile(const std::string& file);

// Of a command that starts several worlds or groups: the name of the trace of one of them,
// "trace.group1.json" of "trace.json".
std::string TraceFileOf(const std::string& file, std::string_view part);

// Runs the work of a rank, records what this thread does meanwhile, and writes the trace of all
// ranks to a file, which appears whole or not at all: where the work throws there is none. Returns
// what the work has returned. Collective; every rank has a clock, a recorder and the same file.
ExitCode RunTraced(ControlPlane& comm, const std::string& file,
                   const std::function<ExitCode()>& work);

}  // namespace lockstep
