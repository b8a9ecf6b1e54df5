// Agree(): how ranks that did the same work tell each other how it went.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/activity.h"
#include "core/heartbeat.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

struct Outcome {
  ExitCode code = ExitCode::kOk;
  bool works = false;  // still, and shows that it lives
  std::string message;

  bool operator==(const Outcome&) const = default;
};

constexpr std::size_t kHeadBytes = sizeof(ExitCode) + 1;

Outcome Try(const std::function<void()>& work) {
  try {
    work();
  } catch (const CollectiveError&) {
    throw;  // a lost peer cannot be discussed with the peers
  } catch (const Error& error) {
    return {error.code(), false, error.what()};
  } catch (...) {
    const Error error = CurrentError();
    if (error.code() == ExitCode::kInternal) throw;
    return {error.code(), false, error.what()};
  }
  if (InterruptRequested()) return {ExitCode::kInterrupted, false, "interrupted"};
  return {};
}

ControlPlane::Bytes Pack(const Outcome& outcome) {
  ControlPlane::Bytes bytes(kHeadBytes + outcome.message.size());
  std::memcpy(bytes.data(), &outcome.code, sizeof(outcome.code));
  bytes[sizeof(outcome.code)] = std::byte{outcome.works};
  std::memcpy(bytes.data() + kHeadBytes, outcome.message.data(), outcome.message.size());
  return bytes;
}

Outcome Unpack(const ControlPlane::Bytes& bytes) {
  Outcome outcome;
  LOCKSTEP_CHECK(bytes.size() >= kHeadBytes, "an outcome of {} bytes", bytes.size());
  std::memcpy(&outcome.code, bytes.data(), sizeof(outcome.code));
  outcome.works = bytes[sizeof(outcome.code)] != std::byte{0};
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  outcome.message.assign(text + kHeadBytes, text + bytes.size());
  return outcome;
}

// A round of notes. Whoever still works and whoever is done meet in the same rounds, so that no
// work is so long that the others give it up, as long as it beats.
std::vector<Outcome> Gather(ControlPlane& comm, const Outcome& mine) {
  const DeadlineScope patient(comm, comm.deadline_seconds() * kAgreePatience);
  std::vector<Outcome> outcomes;
  for (const auto& bytes : comm.AllGather(Pack(mine))) outcomes.push_back(Unpack(bytes));
  return outcomes;
}

// One message for all ranks; the lowest failing rank's code.
[[noreturn]] void ThrowFor(const ControlPlane& comm, const std::vector<Outcome>& outcomes) {
  std::optional<Outcome> first;
  std::string message;
  bool all_alike = true;
  for (int rank = 0; rank < comm.size(); ++rank) {
    const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
    all_alike = all_alike && outcome == outcomes[0];
    if (outcome.code == ExitCode::kOk) continue;
    if (!first) first = outcome;
    if (!message.empty()) message += "; ";
    message += fmt::format("{} (rank {} on {})", outcome.message, rank, comm.host(rank));
  }
  throw AgreedError(first->code, all_alike ? first->message : message);
}

}  // namespace

void Agree(ControlPlane& comm, std::string_view what, const std::function<void()>& work) {
  const Activity doing{std::string(what)};
  Outcome mine;
  {
    const HeartbeatScope beat(HeartbeatPeriod(comm.deadline_seconds()), [&] {
      Gather(comm, {.code = ExitCode::kOk, .works = true, .message = ""});
    });
    mine = Try(work);
  }
  std::vector<Outcome> outcomes;
  do {
    Heartbeat();  // for those who wait for all of us
    outcomes = Gather(comm, mine);
  } while (std::ranges::any_of(outcomes, &Outcome::works));
  const auto fails = [](const Outcome& one) { return one.code != ExitCode::kOk; };
  if (std::ranges::any_of(outcomes, fails)) ThrowFor(comm, outcomes);
}

}  // namespace lockstep
