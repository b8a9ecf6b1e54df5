// Agree(): how ranks that did the same work tell each other how it went.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "core/activity.h"
#include "launcher/world/interrupt.h"
#include "launcher/world/world.h"

namespace lockstep {
namespace {

struct Outcome {
  ExitCode code = ExitCode::kOk;
  std::string message;

  bool operator==(const Outcome&) const = default;
};

Outcome Try(const std::function<void()>& work) {
  try {
    work();
  } catch (const CollectiveError&) {
    throw;  // a lost peer cannot be discussed with the peers
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::kEnvironment, "out of memory"};
  }
  if (InterruptRequested()) return {ExitCode::kInterrupted, "interrupted"};
  return {};
}

Communicator::Bytes Pack(const Outcome& outcome) {
  Communicator::Bytes bytes(sizeof(outcome.code) + outcome.message.size());
  std::memcpy(bytes.data(), &outcome.code, sizeof(outcome.code));
  std::memcpy(bytes.data() + sizeof(outcome.code), outcome.message.data(), outcome.message.size());
  return bytes;
}

Outcome Unpack(const Communicator::Bytes& bytes) {
  Outcome outcome;
  LOCKSTEP_CHECK(bytes.size() >= sizeof(outcome.code), "an outcome of {} bytes", bytes.size());
  std::memcpy(&outcome.code, bytes.data(), sizeof(outcome.code));
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  outcome.message.assign(text + sizeof(outcome.code), text + bytes.size());
  return outcome;
}

// One message for all ranks; the lowest failing rank's code.
[[noreturn]] void ThrowFor(const Communicator& comm, const std::vector<Outcome>& outcomes) {
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

void Agree(Communicator& comm, std::string_view what, const std::function<void()>& work) {
  const Activity doing{std::string(what)};
  const Outcome mine = Try(work);
  const DeadlineScope patient(comm, comm.deadline_seconds() * kAgreePatience);
  std::vector<Outcome> outcomes;
  bool failed = false;
  for (const auto& bytes : comm.AllGather(Pack(mine))) {
    outcomes.push_back(Unpack(bytes));
    failed = failed || outcomes.back().code != ExitCode::kOk;
  }
  if (failed) ThrowFor(comm, outcomes);
}

}  // namespace lockstep
