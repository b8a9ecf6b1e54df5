#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "batch/files/record_sink.h"

namespace lockstep {

// Vectors as a NumPy array [lines, width] of float32. There is no place in it for a line without a
// vector: Put() throws BadInput for an error record. A file is made of its records at Commit(), a
// record at a time; until then they are kept like any others, so that the job can go on later.
std::unique_ptr<RecordSink> OpenNpySink(const SinkParts& parts);

// The beginning of a .npy file (format 1.0, numpy.lib.format): a C array of little-endian float32.
std::string NpyHeader(std::int64_t rows, std::int64_t columns);

}  // namespace lockstep
