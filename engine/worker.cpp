// What every rank but the first one does.
#include "core/error.h"
#include "core/timing/phases.h"
#include "engine/engine.h"
#include "engine/step_executor.h"

namespace lockstep {
namespace {

StepMessage Receive(ControlPlane& control) {
  const ScopedPhase broadcast(Phase::kBroadcast);
  ControlPlane::Bytes bytes;
  control.Broadcast(bytes);
  return ParseStepMessage(bytes);
}

}  // namespace

void RunWorker(Decoder& decoder, const EngineRanks& ranks, const WorkTogether& together) {
  StepExecutor executor(decoder, ranks);
  ControlPlane& control = ranks.copy;
  for (;;) {
    const StepMessage message = Receive(control);
    if (message.shutdown) return DropStep();
    if (!message.words.empty()) {
      LOCKSTEP_CHECK(together, "rank {} knows nothing of \"{}\"", control.rank(), message.words);
      together(message.words);
    }
    if (message.is_empty() || !message.words.empty()) {
      DropStep();  // what was waited for is no step
      continue;
    }
    executor.Run(message);
    EndStep(NextStep::kFollows);
  }
}

}  // namespace lockstep
