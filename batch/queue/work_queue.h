#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

// A line of a batch job's input, and what has become of it.
struct WorkLine {
  std::int64_t index = 0;  // among those that are not blank
  std::string text;
  std::string where;  // "in.jsonl:3"

  bool operator==(const WorkLine&) const = default;
};

struct LineResult {
  std::int64_t index = 0;
  std::string record;  // the output's line, with its line end
  std::string error;   // why the line could not be used; empty when it could
  std::int64_t tokens = 0;

  bool operator==(const LineResult&) const = default;
};

// Where a group of ranks gets its lines and leaves its results. No call waits for another group.
class WorkQueue {
 public:
  virtual ~WorkQueue() = default;

  // Lines that this group is to work at from now on; none when there is nothing new. To be called
  // every second at least: by that the others know that this group is still there.
  virtual std::vector<WorkLine> Take() = 0;

  virtual void Put(LineResult result) = 0;

  // Nothing more is wanted: all lines of all groups are done, or the job is interrupted.
  virtual bool ended() const = 0;
};

}  // namespace lockstep
