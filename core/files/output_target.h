#pragma once

#include <string>

namespace lockstep {

// What the name of an output means: "-" is standard output, anything else a file, a pipe with a
// name or a device.

// Whether an output is a file, which can appear whole; not standard output, a pipe or a device such
// as /dev/null. Throws EnvironmentError for what no text can be written to.
bool IsAtomicTarget(const std::string& output);

// Throws EnvironmentError when an output could not be written, before there is anything to write.
void CheckWritable(const std::string& output);

// Whether both names lead to one file, there or still to be written. Never of standard streams,
// pipes and devices, which several may use, nor of "", which is no file.
bool IsSameFile(const std::string& one, const std::string& other);

}  // namespace lockstep
