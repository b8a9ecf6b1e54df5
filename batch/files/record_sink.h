#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "batch/files/journal.h"

namespace lockstep {

// Where a batch job's records go, in the order of the input.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual bool Has(std::int64_t index) const = 0;
  virtual void Put(std::int64_t index, std::string_view record) = 0;
  virtual std::int64_t errors() const = 0;
  virtual std::int64_t resumed() const = 0;
  virtual void Commit() = 0;
};

struct SinkParts {
  std::string output;
  JobIdentity identity = {};
  Restart restart = Restart::kGoOn;
  std::int64_t records = Journal::kAnyNumber;  // how many there will be
  std::int64_t vector_width = 0;               // of records that are vectors
};

// A journal for a file; standard output, pipes and devices take what comes. Lines of JSON, or of
// vectors an array where the output ends in .npy (npy_sink.h).
std::unique_ptr<RecordSink> OpenSink(const SinkParts& parts);

bool IsNpy(const SinkParts& parts);

}  // namespace lockstep
