#include "comm/peers/peer_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "comm/peers/life_lines.h"

namespace lockstep {
namespace {

// So many of those that a rank waits for are enough to go on with.
constexpr std::size_t kMostAwaited = 64;

struct ProbeHead {
  std::uint64_t question = 0;
  std::int32_t answers = 0;  // 0: asks, and nothing follows
  std::int32_t group = 0;
  PeerCall call;
  std::int32_t awaited = 0;  // so many ranks follow
};

std::vector<std::byte> Pack(ProbeHead head, std::span<const int> awaited) {
  head.awaited = static_cast<std::int32_t>(awaited.size());
  std::vector<std::byte> word(sizeof(head) + awaited.size_bytes());
  std::memcpy(word.data(), &head, sizeof(head));
  std::copy_n(std::as_bytes(awaited).begin(), awaited.size_bytes(),
              word.begin() + static_cast<std::ptrdiff_t>(sizeof(head)));
  return word;
}

bool IsSameCall(const PeerWait& one, const PeerWait& other) {
  return one.group == other.group && one.call.collective == other.call.collective &&
         one.call.number == other.call.number && one.call.peer == other.call.peer;
}

}  // namespace

double PeerProbe::AskAfter(double deadline_seconds) {
  return deadline_seconds - std::min(kSeconds, deadline_seconds / 2);
}

PeerProbe::PeerProbe(int self, std::unique_ptr<ProbeLink> link)
    : self_(self), link_(std::move(link)) {}

PeerProbe::~PeerProbe() = default;

std::optional<int> PeerProbe::Gone() {
  return life_lines_ != nullptr ? life_lines_->Gone() : std::nullopt;
}

void PeerProbe::set_life_lines(std::unique_ptr<LifeLines> lines) { life_lines_ = std::move(lines); }

std::string PeerProbe::Name(int rank) const {
  if (rank >= hosts_.size()) return fmt::format("rank {}", rank);
  return fmt::format("rank {} on {}", rank, hosts_.name(rank));
}

void PeerProbe::Answer(const Mine& mine) {
  if (link_ == nullptr) return;
  while (const auto word = link_->Receive()) Take(*word, mine);
}

void PeerProbe::Answer() {
  Answer([this] { return last_; });
}

void PeerProbe::Take(const ProbeLink::Word& word, const Mine& mine) {
  ProbeHead head;
  if (word.bytes.size() < sizeof(head)) return;
  std::memcpy(&head, word.bytes.data(), sizeof(head));
  if (head.answers == 0) {
    const PeerWait wait = mine();
    const std::size_t most = std::min(wait.awaited.size(), kMostAwaited);
    link_->Send(word.from, Pack({head.question, 1, wait.group, wait.call, 0},
                                std::span(wait.awaited).first(most)));
    return;
  }
  const std::size_t bytes = word.bytes.size() - sizeof(head);
  if (head.question != question_ || bytes != static_cast<std::size_t>(head.awaited) * sizeof(int))
    return;
  PeerWait& theirs = answers_[word.from];
  theirs = {head.group, head.call, std::vector<int>(bytes / sizeof(int))};
  std::memcpy(theirs.awaited.data(), word.bytes.data() + sizeof(head), bytes);
}

void PeerProbe::Ask(const Mine& mine) {
  PeerWait wait = mine();
  if (question_ == 0 || !IsSameCall(wait, last_)) {
    ++question_;
    asked_.clear();
    answers_.clear();
  }
  last_ = std::move(wait);
  Answer();
  for (const int rank : Reached(last_)) {
    if (link_ != nullptr && asked_.insert(rank).second)
      link_->Send(rank, Pack({.question = question_, .call = {}}, {}));
  }
}

// Who is on the ways from this rank's wait, as far as they are known.
std::set<int> PeerProbe::Reached(const PeerWait& mine) const {
  std::set<int> reached;
  std::vector<int> next = mine.awaited;
  while (!next.empty()) {
    const int rank = next.back();
    next.pop_back();
    if (rank == self_ || !reached.insert(rank).second) continue;
    const auto answer = answers_.find(rank);
    if (answer == answers_.end()) continue;
    next.insert(next.end(), answer->second.awaited.begin(), answer->second.awaited.end());
  }
  return reached;
}

PeerProbe::Findings PeerProbe::Find(const PeerWait& mine) const {
  Findings findings;
  for (const int rank : Reached(mine)) {
    const auto answer = answers_.find(rank);
    if (answer == answers_.end())
      findings.silent.push_back(rank);
    else
      findings.answers.insert(*answer);
  }
  return findings;
}

}  // namespace lockstep
