#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/timing/phases.h"

namespace lockstep {

// The last values of many, in memory that is taken once.
template <typename T>
class LastOnes {
 public:
  explicit LastOnes(std::size_t most) : ring_(most) {}

  void Add(const T& value) { ring_[count_++ % ring_.size()] = value; }
  bool empty() const { return count_ == 0; }
  T& last() { return ring_[(count_ - 1) % ring_.size()]; }
  std::size_t dropped() const { return count_ > ring_.size() ? count_ - ring_.size() : 0; }

  std::vector<T> InOrder() const {
    std::vector<T> values;
    values.reserve(count_ - dropped());
    for (std::size_t i = dropped(); i < count_; ++i) values.push_back(ring_[i % ring_.size()]);
    return values;
  }

 private:
  std::vector<T> ring_;
  std::size_t count_ = 0;
};

// What one rank did: the end of it, where there was more than there is room for. Times are of the
// rank's own steady clock, in nanoseconds.
struct RankRecording {
  std::vector<PhaseSpan> spans;       // in the order of their ends
  std::vector<StepTimes> steps;       // in their order
  std::vector<RequestTime> requests;  // in their order
  std::int64_t begun = 0;             // when the recording began
  std::int64_t ended = 0;
  // From here on nothing is missing; `begun` where nothing was dropped.
  std::int64_t complete_from = 0;
  std::int64_t dropped = 0;  // spans, steps and moments of requests that came before
  // A device computes: products, attention and sums are not among the spans.
  bool computes_on_device = false;
};

// For another rank, which is this program.
std::vector<std::byte> BytesOf(const RankRecording& recording);
RankRecording RecordingFrom(std::span<const std::byte> bytes);

// Records the thread that it watches. Quick: it keeps what it is told, and its memory does not
// grow.
class PhaseRecorder final : public PhaseObserver {
 public:
  // How many are kept of each: 18 MB altogether.
  struct Limits {
    std::size_t spans = 1 << 19;
    std::size_t steps = 1 << 15;
    std::size_t requests = 1 << 16;
  };
  explicit PhaseRecorder(const Limits& limits);

  void OnSpan(const PhaseSpan& span) override;
  void OnStep(const StepTimes& step) override;
  void OnRequest(const RequestTime& moment) override;

  // All until now.
  RankRecording recording() const;

 private:
  LastOnes<PhaseSpan> spans_;
  LastOnes<StepTimes> steps_;
  LastOnes<RequestTime> requests_;
  std::int64_t begun_;
  bool computes_on_device_ = false;
};

// Of a rank of so many. The file has about 100 bytes for each span, and viewers bear about 100 MB.
PhaseRecorder::Limits LimitsOfRank(int ranks);

}  // namespace lockstep
