#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "batch/job_identity.h"
#include "core/fnv.h"

namespace lockstep {

// What made a finished output stands beside it, in out.jsonl.done: the job's identity, and what the
// output's bytes are. So the same job is known to be done, and another one does not write over it.

struct FinishedOutput {
  std::int64_t bytes = 0;
  Fnv1a hash = {};
  std::int64_t lines = 0;
  std::int64_t errors = 0;  // of the lines, those that could not be used

  void Add(std::string_view text) {
    bytes += static_cast<std::int64_t>(text.size());
    hash.Add(text);
  }
};

enum class OtherJob { kRefuse, kIgnore };

// The output, where this job has made it already. Nothing where there is none, or nothing is known
// of who made it. Throws BadInput, naming the difference, where another job has made it (unless
// that is to be ignored), and where it is not what was written.
std::optional<FinishedOutput> FindFinished(const std::string& output, const JobIdentity& identity,
                                           OtherJob other = OtherJob::kRefuse);

// Before the output appears under its name. Throws EnvironmentError.
void RecordFinished(const std::string& output, const JobIdentity& identity,
                    const FinishedOutput& finished);

}  // namespace lockstep
