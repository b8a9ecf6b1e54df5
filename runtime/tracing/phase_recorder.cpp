#include "runtime/tracing/phase_recorder.h"

#include <algorithm>

#include "core/message_bytes.h"

namespace lockstep {

std::vector<std::byte> BytesOf(const RankRecording& recording) {
  MessageWriter to;
  to.PutList(recording.spans);
  to.PutList(recording.steps);
  to.PutList(recording.requests);
  to.Put(recording.begun);
  to.Put(recording.ended);
  to.Put(recording.complete_from);
  to.Put(recording.dropped);
  to.Put(recording.computes_on_device);
  return to.Take();
}

RankRecording RecordingFrom(std::span<const std::byte> bytes) {
  MessageReader from(bytes);
  RankRecording recording;
  recording.spans = from.GetList<PhaseSpan>();
  recording.steps = from.GetList<StepTimes>();
  recording.requests = from.GetList<RequestTime>();
  recording.begun = from.Get<std::int64_t>();
  recording.ended = from.Get<std::int64_t>();
  recording.complete_from = from.Get<std::int64_t>();
  recording.dropped = from.Get<std::int64_t>();
  recording.computes_on_device = from.Get<bool>();
  from.End();
  return recording;
}

PhaseRecorder::PhaseRecorder(const Limits& limits)
    : spans_(limits.spans),
      steps_(limits.steps),
      requests_(limits.requests),
      begun_(SteadyNanoseconds()) {}

void PhaseRecorder::OnSpan(const PhaseSpan& span) {
  // The decoder calls so what it only hands to a device: how long that takes says nothing.
  if (span.phase == Phase::kOther)
    computes_on_device_ = true;
  else
    spans_.Add(span);
}

void PhaseRecorder::OnStep(const StepTimes& step) {
  // A step that goes on is told once more.
  if (!steps_.empty() && steps_.last().begin == step.begin && steps_.last().step == step.step)
    steps_.last() = step;
  else
    steps_.Add(step);
}

void PhaseRecorder::OnRequest(const RequestTime& moment) { requests_.Add(moment); }

// What is dropped has ended before the first that is kept has.
RankRecording PhaseRecorder::recording() const {
  RankRecording all{.spans = spans_.InOrder(),
                    .steps = steps_.InOrder(),
                    .requests = requests_.InOrder(),
                    .begun = begun_,
                    .ended = SteadyNanoseconds(),
                    .complete_from = begun_,
                    .dropped = static_cast<std::int64_t>(spans_.dropped() + steps_.dropped() +
                                                         requests_.dropped()),
                    .computes_on_device = computes_on_device_};
  if (spans_.dropped() > 0) all.complete_from = std::max(all.complete_from, all.spans.front().end);
  if (steps_.dropped() > 0) all.complete_from = std::max(all.complete_from, all.steps.front().end);
  if (requests_.dropped() > 0)
    all.complete_from = std::max(all.complete_from, all.requests.front().at);
  return all;
}

PhaseRecorder::Limits LimitsOfRank(int ranks) {
  constexpr std::size_t kAllRanks = 1 << 20;
  PhaseRecorder::Limits limits;
  limits.spans = std::clamp<std::size_t>(kAllRanks / static_cast<std::size_t>(std::max(ranks, 1)),
                                         1 << 16, limits.spans);
  return limits;
}

}  // namespace lockstep
