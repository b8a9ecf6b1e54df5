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

// A journal for a file; standard output, pipes and devices take what comes. records: how many there
// will be.
std::unique_ptr<RecordSink> OpenSink(const std::string& output, const JobIdentity& identity,
                                     Restart restart, std::int64_t records = Journal::kAnyNumber);

}  // namespace lockstep
