#include <mpi.h>

#include <list>
#include <utility>

#include "comm/messenger.h"
#include "comm/mpi/mpi_inbox.h"
#include "comm/mpi/mpi_lanes.h"
#include "comm/mpi/peers/mpi_call.h"
#include "comm/mpi/peers/mpi_probe_link.h"
#include "core/error.h"

namespace lockstep {
namespace {

constexpr double kHoldUpSeconds = 1;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // MPI counts in int

class MpiMessenger final : public Messenger {
 public:
  explicit MpiMessenger(ControlPlane& world)
      : world_(world),
        tag_(TagOf(kMessengerLane, Collective::kBroadcast, 0)),
        inbox_(tag_, [this](int rank) { return Name(rank); }) {}

  // MPI may read what is on its way until the process ends.
  ~MpiMessenger() override {
    static std::list<Sent> abandoned;
    abandoned.splice(abandoned.end(), sent_);
  }
  MpiMessenger(const MpiMessenger&) = delete;
  MpiMessenger& operator=(const MpiMessenger&) = delete;

  void Send(int to, ControlPlane::Bytes text) override {
    LOCKSTEP_CHECK(text.size() <= kMostBytes, "a message of {} bytes", text.size());
    Sent& sent = sent_.emplace_back(Sent{to, std::move(text), MPI_REQUEST_NULL});
    Check(MPI_Isend(sent.text.data(), static_cast<int>(sent.text.size()), MPI_BYTE, to, tag_,
                    MPI_COMM_WORLD, &sent.request),
          to);
  }

  std::optional<Message> Receive() override {
    Clear();
    auto message = inbox_.Take(world_.deadline_seconds());
    if (!message) return std::nullopt;
    return Message{message->from, std::move(message->bytes)};
  }

  bool empty() override {
    Clear();
    return sent_.empty();
  }

  std::vector<int> WhoHoldsUp(int rank) override {
    const PeerWait wait{
        .group = kMessengerLane,
        .call = {.collective = Collective::kReceive, .number = ++questions_, .peer = rank},
        .awaited = {rank}};
    const std::shared_ptr<PeerProbe> probe = ProcessProbe();
    DeadlineBackoff patience(kHoldUpSeconds, DeadlineBackoff::Cores::kShared);
    for (; !patience.expired(); patience.Pause()) probe->Ask([&] { return wait; });
    return probe->Find(wait).silent;
  }

 private:
  struct Sent {
    int to;
    ControlPlane::Bytes text;
    MPI_Request request;
  };

  std::string Name(int rank) const {
    return fmt::format("a message between groups: rank {} on {}", rank, world_.host(rank));
  }

  void Check(int code, int to) const {
    if (code != MPI_SUCCESS)
      throw CollectiveError(ExitCode::kRankFailure,
                            fmt::format("{} cannot be reached (MPI error {})", Name(to), code));
  }

  // Forgets what has been sent.
  void Clear() {
    for (auto sent = sent_.begin(); sent != sent_.end();) {
      int done = 0;
      Check(Watched([&] { return MPI_Test(&sent->request, &done, MPI_STATUS_IGNORE); }), sent->to);
      sent = done != 0 ? sent_.erase(sent) : std::next(sent);
    }
  }

  ControlPlane& world_;
  int tag_;
  std::list<Sent> sent_;
  MpiInbox inbox_;
  std::uint64_t questions_ = 0;
};

}  // namespace

std::unique_ptr<Messenger> OpenMessenger(ControlPlane& world) {
  return std::make_unique<MpiMessenger>(world);
}

}  // namespace lockstep
