#include "server/groups/ranks/server_link.h"

#include <poll.h>

#include <utility>

#include "core/log.h"
#include "server/weights/loop_loader.h"

namespace lockstep {
namespace {

constexpr std::chrono::milliseconds kBeatPeriod{200};

}  // namespace

// What becomes of one request, as messages.
class ServerLink::Sink : public RequestSink {
 public:
  Sink(ServerLink& link, Ticket ticket) : link_(link), ticket_(ticket) {}

  void OnBegun() override { link_.Put(BegunMessage{ticket_}); }
  void OnPiece(std::size_t sample, const TokenPiece& piece) override {
    link_.Put(PieceMessage{ticket_, Keep(sample, piece)});
  }
  void OnResult(TextResult result) override {
    link_.Forget(ticket_);
    link_.Put(ResultMessage{ticket_, std::move(result)});
  }
  void OnError(const Error& error) override {
    link_.Forget(ticket_);
    link_.Put(FailureMessage{ticket_, error.code(), error.what()});
  }

 private:
  ServerLink& link_;
  Ticket ticket_;
};

ServerLink::ServerLink(const std::string& socket, EngineLoop& loop, WeightExchange& weights)
    : loop_(loop), weights_(weights), socket_(ConnectTo(socket)) {
  Put(ReadyMessage());
  thread_ = std::thread([this] { Run(); });
}

ServerLink::~ServerLink() {
  ending_ = true;
  wake_.Ring();
  thread_.join();
}

void ServerLink::Beat() {
  const auto now = Clock::now();
  if (now < next_beat_) return;
  next_beat_ = now + kBeatPeriod;
  Put(BeatMessage{loop_.statistics().engine});
}

void ServerLink::Put(const FromGroup& message) {
  std::vector<std::byte> bytes = Encode(message);
  const std::lock_guard lock(mutex_);
  outgoing_.push_back(std::move(bytes));
  if (outgoing_.size() == 1) wake_.Ring();
}

void ServerLink::Forget(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  tickets_.erase(ticket);
}

// The socket's thread.
void ServerLink::Run() {
  try {
    while (MoveMessages()) {
    }
  } catch (...) {
    LogError("the server has sent what is no message: {}", CurrentError().what());
  }
  loop_.Abort();
}

// Whether there is more to come.
bool ServerLink::MoveMessages() {
  const bool last = ending_;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& message : std::exchange(outgoing_, {})) socket_.Put(message);
  }
  const bool open = socket_.Write() && socket_.Read();
  for (auto message = socket_.Next(); message; message = socket_.Next())
    std::visit([this](const auto& kind) { Take(kind); }, Decode<ToGroup>(*message));
  if (!open || (last && !socket_.has_unwritten())) return false;
  const short events = socket_.has_unwritten() ? POLLIN | POLLOUT : POLLIN;
  pollfd polled[] = {{socket_.number(), events, 0}, {wake_.number(), POLLIN, 0}};
  ::poll(polled, 2, -1);
  wake_.Clear();
  return true;
}

// Under the lock, so that a request cannot end before its ticket is known.
void ServerLink::Take(const SubmitMessage& message) {
  const std::lock_guard lock(mutex_);
  const Admission admission =
      loop_.Submit(message.request, std::make_shared<Sink>(*this, message.ticket));
  if (admission) tickets_[message.ticket] = admission.ticket;
}

void ServerLink::Take(const CancelMessage& message) {
  const std::lock_guard lock(mutex_);
  const auto node = tickets_.extract(message.ticket);
  if (!node.empty()) loop_.Cancel(node.mapped());
}

void ServerLink::Take(const LeaveMessage& /*message*/) { loop_.Drain(); }

void ServerLink::Take(const WeightsMessage& message) {
  loop_.WhenIdle({.work = [this, message] { Exchange(message); }});
}

// The loop's thread.
void ServerLink::Exchange(const WeightsMessage& message) {
  if (message.step == WeightsStep::kDrop) return weights_.Drop();
  LoadOutcome outcome;
  if (message.step == WeightsStep::kRead)
    outcome = ReadOutcome(weights_, message.checkpoint);
  else
    weights_.Switch();
  WeightsDoneMessage done{.code = ExitCode::kOk, .message = {}, .seconds = outcome.seconds};
  if (outcome.error) {
    done.code = outcome.error->code();
    done.message = outcome.error->what();
  }
  Put(done);
}

}  // namespace lockstep
