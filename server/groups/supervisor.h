#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/groups/group_exchange.h"
#include "server/groups/held_request.h"
#include "server/groups/rank_group.h"
#include "server/groups/router.h"
#include "server/groups/suspects.h"
#include "server/groups/wire/local_socket.h"
#include "serving/inbox.h"
#include "serving/request_queue.h"
#include "serving/waiting_requests.h"

namespace lockstep {

// Has requests answered by groups of ranks, other processes that may die at any time. What was
// accepted is kept with all that its client has got; when a group ends it is started again, and
// what it had is given to ranks anew. Nobody hears of it but for the pause.
//
// Thread safety: as RequestQueue says; Run() is for one thread, which calls the sinks, and which
// the groups' processes die with.
class Supervisor : public RequestQueue, public WeightLoader {
 public:
  struct Plan {
    std::vector<GroupPlan> groups;
    std::int64_t most_requests = kMostRequests;
    std::int64_t most_sequences = 256;  // that the engine of a group takes at the same time
  };
  explicit Supervisor(Plan plan);
  // What was accepted and has not ended ends by OnError(kInterrupted).
  ~Supervisor() override;
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  Admission Submit(TextRequest request, std::shared_ptr<RequestSink> sink) override;
  Refusal Refuse(ClientId client) override { return inbox_.Refuse(client); }
  void Cancel(Ticket ticket) override;
  LoopStatistics statistics() const override;
  void Drain() override;
  void Abort() override;
  std::string unavailable() const override;
  void Load(const LoadWish& wish, OnLoaded on_end) override;

  // Starts the groups and serves until it is drained or aborted; then ends the groups. on_ready:
  // called once, when every group can answer. look: called some times a second. Returns the exit
  // code: that of a group that could not be started at all, else 0.
  ExitCode Run(const std::function<void()>& on_ready, const std::function<void()>& look);

 private:
  using Clock = RankGroup::Clock;

  // A group, and what the supervisor knows of its requests.
  struct Member {
    std::unique_ptr<RankGroup> ranks;
    std::set<Ticket> given;
    std::int64_t tokens = 0;     // of those
    std::int64_t sequences = 0;  // of those
    EngineStatus engine;
    EngineStatus past;  // counts of engines that are gone
    // Failures that may be the group's own: they are the requests' once rank 0 goes on.
    std::vector<FailureMessage> doubtful;
    std::set<Ticket> lost;  // given anew, and without a new token since
    std::size_t lost_count = 0;
    Clock::time_point lost_at{};
    Clock::time_point ready_at{};
  };
  struct WantedWeights {
    LoadWish wish;
    OnLoaded on_end;
  };

  bool Step();
  void TakeInbox();
  std::optional<WantedWeights> TakeWanted();
  void ExchangeWeights();
  void Dispatch();
  bool MayBegin(const HeldRequest& held) const;
  void Give(std::size_t group, Ticket ticket);
  void TakeBack(Ticket ticket, HeldRequest& held);
  std::optional<std::size_t> GroupFor(const HeldRequest& held) const;
  bool IsKeptForATrial(const Member& member) const;
  void Publish();
  void Wait();
  void FailAll();
  void EndGroups();

  void OnReady(std::size_t group);
  void OnMessage(std::size_t group, FromGroup message);
  void OnLost(std::size_t group, RankGroup::Fault fault);
  void Take(std::size_t group, BeatMessage& beat);
  void Take(std::size_t group, BegunMessage& message);
  void Take(std::size_t group, PieceMessage& message);
  void Take(std::size_t group, ResultMessage& result);
  void Take(std::size_t group, FailureMessage& failure);
  void Take(std::size_t group, WeightsDoneMessage& done);
  void NoteProgress(std::size_t group, Ticket ticket);
  void NoteRecovered(Ticket ticket);

  HeldRequest* Held(std::size_t group, Ticket ticket);
  void Fail(Ticket ticket, const Error& error);
  std::shared_ptr<RequestSink> End(Ticket ticket, std::int64_t LoopStatistics::*counter);
  void Call(Ticket ticket, const std::shared_ptr<RequestSink>& sink,
            const std::function<void(RequestSink&)>& call);
  void CancelHere(Ticket ticket, std::int64_t LoopStatistics::*counter);

  const std::int64_t most_sequences_;
  Inbox inbox_;
  WakeUp wake_;
  EndedChildren children_;
  std::vector<Member> members_;
  std::map<Ticket, HeldRequest> held_;
  WaitingRequests waiting_;  // of those, without suspects
  Suspects suspects_;
  Clock::time_point tried_at_{};
  Router router_;
  GroupExchange exchange_;
  bool changed_ = true;  // something may be given now
  bool was_ready_ = false;

  mutable std::mutex mutex_;  // of what other threads read, or write
  std::optional<WantedWeights> wanted_;
  bool has_ended_ = false;  // nobody takes what is wanted
  std::string unavailable_ = "the ranks are starting";
  std::int64_t waiting_count_ = 0;
  std::vector<GroupStatistics> groups_;
  std::int64_t groups_ready_ = 0;
  std::int64_t restarts_ = 0;
};

}  // namespace lockstep
