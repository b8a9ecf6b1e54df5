#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/requests.h"
#include "batch/job_identity.h"

namespace lockstep {

// Where the vectors of a list of texts go, in the order of the texts whatever order they come in.
class VectorOutput {
 public:
  virtual ~VectorOutput() = default;
  virtual void Put(std::int64_t index, const ScoreRequest& text, std::span<const float> vector) = 0;
  // In place of a vector. Throws BadInput where the output has no room for records.
  virtual void PutError(std::int64_t index, const std::string& record) = 0;
  // All are there: a file appears.
  virtual void Commit() = 0;
};

// A NumPy array [count, width] of float32 where the output ends in .npy, else JSON lines.
// job: see Output.
std::unique_ptr<VectorOutput> OpenVectorOutput(const std::string& output, const JobIdentity& job,
                                               std::int64_t count, std::int64_t width);

// The beginning of a .npy file (format 1.0, numpy.lib.format): a C array of little-endian float32.
std::string NpyHeader(std::int64_t rows, std::int64_t columns);

}  // namespace lockstep
