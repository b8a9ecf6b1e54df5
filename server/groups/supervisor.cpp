#include "server/groups/supervisor.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "core/log.h"
#include "core/logging/structured_log.h"
#include "server/groups/lost_requests.h"

namespace lockstep {
namespace {

// Given to a group beyond what its engine takes at the same time, so that it need not wait for us.
constexpr std::int64_t kAhead = 8;
// As long as a request that ranks have died with is tried, its group gets no other: that makes its
// trial short. No longer, because some have no token for long (beam search).
constexpr std::chrono::seconds kAlone{1};

Error Stopped() { return Error(ExitCode::kInterrupted, "the server was stopped"); }

double Seconds(RankGroup::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Supervisor::Supervisor(Plan plan)
    : most_sequences_(plan.most_sequences),
      inbox_(plan.most_requests),
      members_(plan.groups.size()),
      router_(plan.groups.size()),
      exchange_(plan.groups.size(),
                {.send = [this](std::size_t group,
                                const WeightsMessage& one) { members_[group].ranks->Send(one); },
                 .decide =
                     [this](const std::string& checkpoint) {
                       for (Member& member : members_) member.ranks->set_checkpoint(checkpoint);
                     }}) {
  for (std::size_t i = 0; i < members_.size(); ++i)
    members_[i].ranks = std::make_unique<RankGroup>(
        std::move(plan.groups[i]), children_,
        RankGroup::Events{
            .on_ready = [this, i] { OnReady(i); },
            .on_message = [this, i](FromGroup message) { OnMessage(i, std::move(message)); },
            .on_lost = [this, i](RankGroup::Fault fault) { OnLost(i, fault); }});
}

Supervisor::~Supervisor() { FailAll(); }

Admission Supervisor::Submit(TextRequest request, std::shared_ptr<RequestSink> sink) {
  const Admission admission = inbox_.Submit(std::move(request), std::move(sink));
  wake_.Ring();
  return admission;
}

void Supervisor::Cancel(Ticket ticket) {
  inbox_.Cancel(ticket);
  wake_.Ring();
}

void Supervisor::Load(const LoadWish& wish, OnLoaded on_end) {
  std::unique_lock lock(mutex_);
  LOCKSTEP_CHECK(!wanted_, "two exchanges of weights at the same time");
  if (has_ended_) {
    lock.unlock();
    return on_end({.error = Stopped()});
  }
  wanted_ = {wish, std::move(on_end)};
  lock.unlock();
  wake_.Ring();
}

void Supervisor::Drain() {
  inbox_.Drain();
  wake_.Ring();
}

void Supervisor::Abort() {
  inbox_.Abort();
  wake_.Ring();
}

LoopStatistics Supervisor::statistics() const {
  LoopStatistics now = inbox_.statistics();
  const std::lock_guard lock(mutex_);
  const std::int64_t waiting = std::min(waiting_count_, now.in_flight);
  now.queued += waiting;
  now.in_flight -= waiting;
  now.groups = groups_;
  now.groups_ready = groups_ready_;
  now.group_restarts = restarts_;
  return now;
}

std::string Supervisor::unavailable() const {
  const std::lock_guard lock(mutex_);
  return unavailable_;
}

ExitCode Supervisor::Run(const std::function<void()>& on_ready, const std::function<void()>& look) {
  while (Step()) {
    if (!was_ready_ && unavailable().empty()) {
      was_ready_ = true;
      on_ready();
    }
    look();
    Wait();
  }
  EndGroups();
  for (const Member& member : members_)
    if (const auto code = member.ranks->first_failure()) return *code;
  return ExitCode::kOk;
}

// Whether another one follows.
bool Supervisor::Step() {
  if (inbox_.state() == Inbox::State::kAborting) return false;
  TakeInbox();
  for (const Member& member : members_) member.ranks->Step();
  ExchangeWeights();
  Dispatch();
  Publish();
  if (inbox_.is_drained()) return false;
  return std::ranges::none_of(
      members_, [](const Member& member) { return member.ranks->first_failure().has_value(); });
}

void Supervisor::TakeInbox() {
  for (const Ticket ticket : inbox_.TakeCancelled()) CancelHere(ticket, &LoopStatistics::cancelled);
  while (auto entry = inbox_.Take()) {
    const HeldRequest& held =
        held_.try_emplace(entry->ticket, std::move(entry->request), std::move(entry->sink))
            .first->second;
    waiting_.Add(entry->ticket, {.priority = held.request().priority,
                                 .client = held.request().client,
                                 .tokens = held.tokens()});
    changed_ = true;
  }
}

std::optional<Supervisor::WantedWeights> Supervisor::TakeWanted() {
  const std::lock_guard lock(mutex_);
  return std::exchange(wanted_, std::nullopt);
}

// What another thread has asked for, and its first step once all that had begun has ended.
void Supervisor::ExchangeWeights() {
  const auto all_ready = [this] {
    return std::ranges::all_of(members_, [](const Member& one) { return one.ranks->ready(); });
  };
  if (auto wanted = TakeWanted()) {
    exchange_.Begin(std::move(wanted->wish), std::move(wanted->on_end));
    if (!all_ready())
      exchange_.GiveUp(Error(ExitCode::kRankFailure, "not all ranks can answer just now"));
  }
  if (!exchange_.waits()) return;
  const bool has_begun = std::ranges::any_of(held_, [this](const auto& one) {
    return one.second.group() || one.second.begun() || suspects_.Contains(one.first);
  });
  if (!has_begun) return exchange_.Read();
  if (exchange_.EndIfLate(Clock::now())) changed_ = true;  // others have waited for it
}

// While weights are exchanged only what has begun goes on.
bool Supervisor::MayBegin(const HeldRequest& held) const {
  return !exchange_.under_way() || held.begun();
}

// Suspects first, one at a time; then the others in their order, as far as there is room.
void Supervisor::Dispatch() {
  if (suspects_.tried() && Clock::now() - tried_at_ > kAlone) changed_ = true;
  if (!std::exchange(changed_, false)) return;
  if (const auto suspect = suspects_.Next()) {
    if (const auto group = GroupFor(held_.at(*suspect))) {
      suspects_.Try(*suspect);
      tried_at_ = Clock::now();
      Give(*group, *suspect);
    }
  }
  for (auto next = waiting_.places().begin(); next != waiting_.places().end();) {
    const Ticket ticket = (next++)->ticket;
    const HeldRequest& held = held_.at(ticket);
    if (!MayBegin(held)) continue;
    const auto group = GroupFor(held);
    if (!group) return;
    waiting_.Begin(ticket);
    Give(*group, ticket);
  }
}

std::optional<std::size_t> Supervisor::GroupFor(const HeldRequest& held) const {
  std::vector<std::optional<std::int64_t>> loads;
  for (const Member& member : members_) {
    const bool has_room = member.ranks->ready() && !IsKeptForATrial(member) &&
                          member.sequences < most_sequences_ + kAhead;
    loads.push_back(has_room ? std::optional(member.tokens) : std::nullopt);
  }
  return router_.Choose(loads, held.request().tokens);
}

bool Supervisor::IsKeptForATrial(const Member& member) const {
  const auto tried = suspects_.tried();
  return tried && member.given.contains(*tried) && suspects_.IsStruck(*tried) &&
         Clock::now() - tried_at_ <= kAlone;
}

void Supervisor::Give(std::size_t group, Ticket ticket) {
  Member& member = members_[group];
  HeldRequest& held = held_.at(ticket);
  member.given.insert(ticket);
  member.tokens += held.tokens();
  member.sequences += held.sequences();
  router_.Note(group, held.request().tokens);
  held.GiveTo(group);
  member.ranks->Send(SubmitMessage{ticket, held.request()});
}

void Supervisor::TakeBack(Ticket ticket, HeldRequest& held) {
  if (!held.group()) return;
  Member& member = members_[*held.group()];
  member.given.erase(ticket);
  member.tokens -= held.tokens();
  member.sequences -= held.sequences();
  held.TakeBack();
  changed_ = true;
}

void Supervisor::OnReady(std::size_t group) {
  Member& member = members_[group];
  member.ready_at = Clock::now();
  changed_ = true;
  if (member.ranks->restarts() == 0) return;
  const RankGroup::Pause& pause = member.ranks->pause();
  LogInfo("{} can answer again: noticed after {:.2f} s, ended in {:.2f} s, loaded in {:.2f} s",
          member.ranks->name(), Seconds(pause.silent), Seconds(pause.ended),
          Seconds(pause.started));
}

void Supervisor::OnMessage(std::size_t group, FromGroup message) {
  std::visit(
      [&]<typename Kind>(Kind& one) {
        if constexpr (!std::is_same_v<Kind, ReadyMessage>) Take(group, one);
      },
      message);
}

void Supervisor::Take(std::size_t group, BeatMessage& beat) {
  Member& member = members_[group];
  member.engine = beat.engine;
  for (const FailureMessage& failure : std::exchange(member.doubtful, {}))
    if (Held(group, failure.ticket) != nullptr)
      Fail(failure.ticket, Error(failure.code, failure.message));
}

void Supervisor::Take(std::size_t group, BegunMessage& message) {
  if (const HeldRequest* held = Held(group, message.ticket))
    Call(message.ticket, held->sink(), [](RequestSink& sink) { sink.OnBegun(); });
}

void Supervisor::Take(std::size_t group, PieceMessage& message) {
  HeldRequest* held = Held(group, message.ticket);
  if (held == nullptr) return;
  held->Take(message.piece);
  NoteProgress(group, message.ticket);
  Call(message.ticket, held->sink(),
       [&](RequestSink& sink) { sink.OnPiece(message.piece.sample, message.piece.View()); });
}

void Supervisor::Take(std::size_t group, ResultMessage& result) {
  if (Held(group, result.ticket) == nullptr) return;
  NoteProgress(group, result.ticket);
  const auto sink = End(result.ticket, &LoopStatistics::completed);
  Call(result.ticket, sink, [&](RequestSink& one) { one.OnResult(std::move(result.result)); });
}

void Supervisor::Take(std::size_t group, FailureMessage& failure) {
  if (Held(group, failure.ticket) == nullptr) return;
  if (failure.code != ExitCode::kBadInput) {
    members_[group].doubtful.push_back(std::move(failure));
    return;
  }
  NoteProgress(group, failure.ticket);
  Fail(failure.ticket, Error(failure.code, failure.message));
}

void Supervisor::Take(std::size_t group, WeightsDoneMessage& done) {
  exchange_.Take(group, done);
  if (exchange_.under_way()) return;
  for (std::size_t i = 0; i < members_.size(); ++i) router_.Forget(i);
  changed_ = true;
}

void Supervisor::NoteProgress(std::size_t group, Ticket ticket) {
  members_[group].ranks->NoteAnswer();
  NoteRecovered(ticket);
  if (!suspects_.Contains(ticket)) return;
  suspects_.Clear(ticket);
  changed_ = true;
}

// Where a group has died, and its requests have got a new token since, or ended.
void Supervisor::NoteRecovered(Ticket ticket) {
  for (Member& member : members_) {
    if (member.lost.erase(ticket) == 0 || !member.lost.empty()) continue;
    LogInfo("{}: their requests go on ({}), recomputed in {:.2f} s", member.ranks->name(),
            member.lost_count, Seconds(Clock::now() - std::max(member.lost_at, member.ready_at)));
  }
}

void Supervisor::OnLost(std::size_t group, RankGroup::Fault fault) {
  Member& member = members_[group];
  std::vector<Suspects::Given> given;
  for (const Ticket ticket : member.given) given.push_back({ticket, held_.at(ticket).progressed()});
  std::vector<Ticket> refused;
  if (fault == RankGroup::Fault::kPerhapsTheirs)
    refused = suspects_.Blame(given);
  else if (const auto tried = suspects_.tried(); tried && member.given.contains(*tried))
    suspects_.EndTrial();
  for (const Suspects::Given& one : given) {
    HeldRequest& held = held_.at(one.ticket);
    TakeBack(one.ticket, held);
    if (!suspects_.Contains(one.ticket)) waiting_.PutBack(one.ticket, held.request().priority);
  }
  for (const Ticket ticket : refused) Fail(ticket, Refused(ticket, held_.at(ticket)));
  for (const Suspects::Given& one : given) {
    const auto found = held_.find(one.ticket);
    if (found == held_.end()) continue;
    member.lost.insert(one.ticket);
    const bool suspected = suspects_.Contains(one.ticket);
    LogLost(one.ticket, found->second, suspected ? LostTo::kTrial : LostTo::kOtherRanks);
  }
  member.lost_at = Clock::now();
  member.lost_count = member.lost.size();
  member.doubtful.clear();
  member.past.Add({.counts = member.engine.counts, .steps = member.engine.steps});
  member.engine = {};
  router_.Forget(group);
  exchange_.NoteLost(group);
  changed_ = true;
}

HeldRequest* Supervisor::Held(std::size_t group, Ticket ticket) {
  const auto found = held_.find(ticket);
  const bool has_it = found != held_.end() && found->second.group() == group;
  return has_it ? &found->second : nullptr;
}

// The sink, for a last call.
std::shared_ptr<RequestSink> Supervisor::End(Ticket ticket, std::int64_t LoopStatistics::*counter) {
  const auto found = held_.find(ticket);
  if (found == held_.end()) return nullptr;
  waiting_.Erase(ticket);
  suspects_.Clear(ticket);
  for (Member& member : members_) member.lost.erase(ticket);
  TakeBack(ticket, found->second);
  std::shared_ptr<RequestSink> sink = found->second.sink();
  held_.erase(found);
  inbox_.End(ticket, counter);
  return sink;
}

void Supervisor::Fail(Ticket ticket, const Error& error) {
  const auto sink = End(ticket, &LoopStatistics::failed);
  Call(ticket, sink, [&](RequestSink& one) { one.OnError(error); });
}

void Supervisor::Call(Ticket ticket, const std::shared_ptr<RequestSink>& sink,
                      const std::function<void(RequestSink&)>& call) {
  if (sink == nullptr) return;
  const LogScope about(sink->label());
  try {
    call(*sink);
  } catch (...) {
    LogWarning("request {} was ended, because what takes its text failed: {}", ticket,
               CurrentError().what());
    CancelHere(ticket, &LoopStatistics::failed);
  }
}

void Supervisor::CancelHere(Ticket ticket, std::int64_t LoopStatistics::*counter) {
  const auto found = held_.find(ticket);
  if (found == held_.end()) return;
  if (const auto group = found->second.group()) members_[*group].ranks->Send(CancelMessage{ticket});
  End(ticket, counter);
}

void Supervisor::Publish() {
  std::string reason;
  EngineStatus engine;
  std::vector<GroupStatistics> groups;
  std::int64_t ready = 0, restarts = 0, given = 0;
  for (const Member& member : members_) {
    given += std::ssize(member.given);
    if (reason.empty()) reason = member.ranks->reason();
    EngineStatus all = member.past;
    all.Add(member.engine);
    engine.Add(all);
    groups.push_back({.steps = all.steps});
    ready += member.ranks->ready() ? 1 : 0;
    restarts += member.ranks->restarts();
  }
  inbox_.Publish(engine);
  const std::lock_guard lock(mutex_);
  unavailable_ = std::move(reason);
  groups_ = std::move(groups);
  groups_ready_ = ready;
  restarts_ = restarts;
  waiting_count_ = std::ssize(held_) - given;
}

void Supervisor::Wait() {
  std::vector<pollfd> polled{{wake_.number(), POLLIN, 0}};
  std::chrono::milliseconds patience(100);
  for (const Member& member : members_) {
    member.ranks->AddPolled(polled);
    patience = std::min(patience, member.ranks->patience());
  }
  ::poll(polled.data(), polled.size(), static_cast<int>(patience.count()));
  wake_.Clear();
}

// In good order nothing is left.
void Supervisor::FailAll() {
  const Error error = Stopped();
  for (Inbox::Entry& entry : inbox_.Close())
    held_.try_emplace(entry.ticket, std::move(entry.request), std::move(entry.sink));
  for (const auto& [ticket, held] : held_)
    if (held.group()) members_[*held.group()].ranks->Send(CancelMessage{ticket});
  while (!held_.empty()) Fail(held_.begin()->first, error);
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
  }
  if (const auto wanted = TakeWanted()) wanted->on_end({.error = error});
  exchange_.GiveUp(error);
}

void Supervisor::EndGroups() {
  FailAll();
  for (const Member& member : members_) member.ranks->Leave();
  while (std::ranges::any_of(members_, [](const Member& one) { return !one.ranks->gone(); })) {
    for (const Member& member : members_) member.ranks->Step();
    Wait();
  }
}

}  // namespace lockstep
