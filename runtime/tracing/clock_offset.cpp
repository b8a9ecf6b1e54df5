#include "runtime/tracing/clock_offset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "core/error.h"

namespace lockstep {
namespace {

// The first ones are slow: paths and caches are cold.
constexpr int kExchanges = 32;

ClockOffset AskForTime(ControlPlane& comm, int rank, const std::function<std::int64_t()>& clock) {
  ClockOffset best{.bound = std::numeric_limits<std::int64_t>::max()};
  ControlPlane::Bytes answer;
  for (int i = 0; i < kExchanges; ++i) {
    const std::int64_t asked = clock();
    comm.Send(rank, {});
    comm.Recv(rank, answer);
    const std::int64_t answered = clock();
    std::int64_t theirs = 0;
    LOCKSTEP_CHECK(answer.size() == sizeof(theirs), "a time of {} bytes", answer.size());
    std::memcpy(&theirs, answer.data(), sizeof(theirs));
    const std::int64_t bound = (answered - asked + 1) / 2;
    if (bound < best.bound)
      best = {.at = theirs, .offset = theirs - asked - (answered - asked) / 2, .bound = bound};
  }
  return best;
}

void TellTime(ControlPlane& comm, const std::function<std::int64_t()>& clock) {
  ControlPlane::Bytes question;
  for (int i = 0; i < kExchanges; ++i) {
    comm.Recv(0, question);
    const std::int64_t now = clock();
    comm.Send(0, std::as_bytes(std::span(&now, 1)));
  }
}

}  // namespace

std::vector<ClockOffset> CompareClocks(ControlPlane& comm,
                                       const std::function<std::int64_t()>& clock) {
  if (comm.rank() != 0) {
    if (!comm.hosts().SameHost(0, comm.rank())) TellTime(comm, clock);
    return {};
  }
  std::vector<ClockOffset> offsets;
  for (int rank = 0; rank < comm.size(); ++rank)
    offsets.push_back(comm.hosts().SameHost(0, rank) ? ClockOffset{.at = clock()}
                                                     : AskForTime(comm, rank, clock));
  return offsets;
}

std::int64_t ClockDrift::ToRank0(std::int64_t time) const {
  const double lasted = static_cast<double>(after.at - before.at);
  const double gone = lasted > 0 ? static_cast<double>(time - before.at) / lasted : 0.0;
  const double drift = static_cast<double>(after.offset - before.offset);
  return time - before.offset - std::llround(drift * gone);
}

std::int64_t ClockDrift::bound() const { return std::max(before.bound, after.bound); }

}  // namespace lockstep
