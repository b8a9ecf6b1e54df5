#pragma once

#include <cstddef>
#include <string_view>

namespace lockstep {

// Whether standard error or output, or that of the process that started the ranks, is a terminal.
bool StderrIsTerminal();
bool StdoutIsTerminal();
// The columns of standard error's, as it is now; of a starting process's terminal, as it was then.
std::size_t StderrColumns();
// Ranks that are started from here on know all of this, too.
void TellRanksOfTerminal();

// The beginning of a line that leaves the last column free, so that a terminal does not wrap it.
std::string_view FittingLine(std::string_view line, std::size_t columns);

}  // namespace lockstep
