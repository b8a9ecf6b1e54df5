// Agree(): how ranks that did the same work tell each other how it went.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/activity.h"
#include "core/heartbeat.h"
#include "core/message_bytes.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

struct Outcome {
  ExitCode code = ExitCode::kOk;
  bool works = false;  // still, and shows that it lives
  std::string message = {};
  double share = 0.0;  // of the work that is done, where that is known

  bool IsLike(const Outcome& other) const { return code == other.code && message == other.message; }
};

Outcome Try(const std::function<void()>& work) {
  try {
    work();
  } catch (const CollectiveError&) {
    throw;  // a lost peer cannot be discussed with the peers
  } catch (const Error& error) {
    return {.code = error.code(), .message = error.what()};
  } catch (...) {
    const Error error = CurrentError();
    if (error.code() == ExitCode::kInternal) throw;
    return {.code = error.code(), .message = error.what()};
  }
  if (InterruptRequested()) return {.code = ExitCode::kInterrupted, .message = "interrupted"};
  return {};
}

ControlPlane::Bytes Pack(const Outcome& outcome) {
  MessageWriter writer;
  writer.Put(outcome.code);
  writer.Put(outcome.works);
  writer.Put(outcome.share);
  writer.PutText(outcome.message);
  return writer.Take();
}

Outcome Unpack(const ControlPlane::Bytes& bytes) {
  MessageReader reader(bytes);
  Outcome outcome;
  outcome.code = reader.Get<ExitCode>();
  outcome.works = reader.Get<bool>();
  outcome.share = reader.Get<double>();
  outcome.message = reader.GetText();
  reader.End();
  return outcome;
}

// A round of notes. Whoever still works and whoever is done meet in the same rounds, so that no
// work is so long that the others give it up, as long as it beats.
std::vector<Outcome> Gather(ControlPlane& comm, Outcome mine, const SharedProgress& progress) {
  const DeadlineScope patient(comm, comm.deadline_seconds() * kAgreePatience);
  if (progress.mine) mine.share = progress.mine();
  std::vector<Outcome> outcomes;
  std::vector<double> shares;
  for (const auto& bytes : comm.AllGather(Pack(mine)))
    shares.push_back(outcomes.emplace_back(Unpack(bytes)).share);
  if (progress.heard) progress.heard(shares);
  return outcomes;
}

// One message for all ranks; the lowest failing rank's code.
[[noreturn]] void ThrowFor(const ControlPlane& comm, const std::vector<Outcome>& outcomes) {
  std::optional<Outcome> first;
  std::string message;
  bool all_alike = true;
  for (int rank = 0; rank < comm.size(); ++rank) {
    const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
    all_alike = all_alike && outcome.IsLike(outcomes[0]);
    if (outcome.code == ExitCode::kOk) continue;
    if (!first) first = outcome;
    if (!message.empty()) message += "; ";
    message += fmt::format("{} (rank {} on {})", outcome.message, rank, comm.host(rank));
  }
  throw AgreedError(first->code, all_alike ? first->message : message);
}

}  // namespace

void Agree(ControlPlane& comm, std::string_view what, const std::function<void()>& work,
           const SharedProgress& progress) {
  const Activity doing{std::string(what)};
  Outcome mine;
  {
    const HeartbeatScope beat(HeartbeatPeriod(comm.deadline_seconds()),
                              [&] { Gather(comm, {.works = true}, progress); });
    mine = Try(work);
  }
  std::vector<Outcome> outcomes;
  do {
    Heartbeat();  // for those who wait for all of us
    outcomes = Gather(comm, mine, progress);
  } while (std::ranges::any_of(outcomes, &Outcome::works));
  const auto fails = [](const Outcome& one) { return one.code != ExitCode::kOk; };
  if (std::ranges::any_of(outcomes, fails)) ThrowFor(comm, outcomes);
}

}  // namespace lockstep
