#pragma once

#include <span>
#include <vector>

#include "batch/queue/work_queue.h"
#include "comm/control_plane.h"

namespace lockstep {

// What the first ranks of groups write to each other.

// To the one that has the input: results, or only a heartbeat.
struct WorkerReport {
  bool interrupted = false;  // this process has been asked to stop
  bool last = false;         // the answer to Assignment::end: no message follows
  std::vector<LineResult> results = {};

  bool operator==(const WorkerReport&) const = default;
};

// From it: lines, or only a heartbeat.
struct Assignment {
  bool end = false;
  std::vector<WorkLine> lines = {};

  bool operator==(const Assignment&) const = default;
};

ControlPlane::Bytes Pack(const WorkerReport& report);
ControlPlane::Bytes Pack(const Assignment& assignment);
// Throw Error(kInternal) when the lengths do not add up: both ends are this program.
WorkerReport UnpackReport(std::span<const std::byte> bytes);
Assignment UnpackAssignment(std::span<const std::byte> bytes);

}  // namespace lockstep
