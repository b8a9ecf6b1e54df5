#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// "in.jsonl", or "standard input": what messages call it.
std::string InputName(const std::string& input);

// Call first of all. Gives the numbers of standard streams that are closed to files that fail like
// closed ones, so that nothing else gets them.
void OccupyStandardStreams();

// Writes to standard output at once; while its reader lets it wait, it beats (core/heartbeat.h).
// Throws EnvironmentError when it is closed or full.
void WriteStandardOutput(std::string_view text);

// The same for another open file. failure: begins the message, before the system's reason.
void WriteDescriptor(int file, std::string_view text, std::string_view failure);

}  // namespace lockstep
