#pragma once

#include <span>
#include <vector>

#include "comm/communicator.h"
#include "batch/queue/line_desk.h"

namespace lockstep {

// What the first ranks of groups write to each other.

// To the one that has the input: results, or nothing but a sign of life.
struct DeskReport {
  bool interrupted = false;  // this process has been asked to stop
  bool last = false;         // the answer to Handout::end: no letter follows
  std::vector<LineResult> results = {};

  bool operator==(const DeskReport&) const = default;
};

// From it: lines, or nothing but a sign of life.
struct Handout {
  bool end = false;
  std::vector<WorkLine> lines = {};

  bool operator==(const Handout&) const = default;
};

Communicator::Bytes Pack(const DeskReport& report);
Communicator::Bytes Pack(const Handout& handout);
// Throw Error(kInternal) when the lengths do not add up: the sender is our own.
DeskReport UnpackReport(std::span<const std::byte> bytes);
Handout UnpackHandout(std::span<const std::byte> bytes);

}  // namespace lockstep
