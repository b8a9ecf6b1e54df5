#include "runtime/world/board_entry.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "comm/world.h"
#include "core/activity.h"
#include "core/error.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/launch_environment.h"
#include "runtime/world/rank_input.h"

namespace lockstep {
namespace {

// The observer of activities is a plain function.
RankSlot* g_slot = nullptr;
LastWords* g_last_words = nullptr;

}  // namespace

BoardEntry::BoardEntry(int rank) : board_(RankBoard::OpenFromEnvironment()) {
  if (board_ == nullptr && rank >= 0) {
    const bool is_of_others =
        std::getenv(RankBoard::kVariable) == nullptr && AnnouncedSize().value_or(2) > 1;
    last_words_ = std::make_unique<LastWords>(
        rank, is_of_others ? LastWords::Else::kStandardError : LastWords::Else::kNobody);
    g_last_words = last_words_.get();
    ObserveActivity([](std::string_view what) { g_last_words->SetActivity(what); });
  }
  if (board_ == nullptr || rank < 0 || rank >= board_->ranks()) return;
  g_slot = &board_->slot(rank);
  WriteField(g_slot->host, HostName());
  g_slot->process = ::getpid();
  g_slot->state = RankState::kRunning;
  ShareInterrupts({&board_->stop(), &g_slot->told_to_end, &g_slot->signal});
  if (InterruptRequested()) std::_Exit(static_cast<int>(ExitCode::kInterrupted));
  if (rank == 0) AdoptParentInput(*board_);
  ObserveActivity([](std::string_view what) { WriteField(g_slot->activity, what); });
}

BoardEntry::~BoardEntry() {
  ObserveActivity(nullptr);
  ShareInterrupts({});
  g_slot = nullptr;
  g_last_words = nullptr;
}

bool BoardEntry::spawned() const { return g_slot != nullptr; }

bool BoardEntry::has_parent() const {
  return spawned() || (last_words_ != nullptr && last_words_->has_inbox());
}

bool BoardEntry::SomebodyHasReported() const {
  for (int rank = 0; board_ != nullptr && rank < board_->ranks(); ++rank) {
    if (board_->slot(rank).state == RankState::kReported) return true;
  }
  return false;
}

std::string BoardEntry::Absent() const {
  std::vector<int> absent;
  for (int rank = 0; board_ != nullptr && AllRanksAreHere() && rank < board_->ranks(); ++rank) {
    if (board_->slot(rank).state == RankState::kAbsent) absent.push_back(rank);
  }
  if (absent.empty()) return "";
  const bool one = absent.size() == 1;
  return fmt::format("rank{} {} {} not started", one ? "" : "s", fmt::join(absent, ", "),
                     one ? "has" : "have");
}

void BoardEntry::SetReported(int code) const {
  if (last_words_ != nullptr) last_words_->Withhold();
  if (g_slot == nullptr) return;
  g_slot->exit_code = code;
  g_slot->state = RankState::kReported;
}

// Our own process that has started the world may still ask what it was doing.
void BoardEntry::EndsSilently() const {
  if (last_words_ != nullptr && !last_words_->has_inbox()) last_words_->Withhold();
}

int BoardEntry::Leave(int code) const {
  if (last_words_ != nullptr) last_words_->Withhold();
  if (g_slot == nullptr) return code;
  g_slot->exit_code = code;
  g_slot->state = RankState::kDone;
  return 0;
}

}  // namespace lockstep
