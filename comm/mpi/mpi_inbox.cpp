#include "comm/mpi/mpi_inbox.h"

#include <algorithm>
#include <utility>

#include "comm/mpi/peers/mpi_call.h"

namespace lockstep {

MpiInbox::MpiInbox(int tag, std::function<std::string(int)> name)
    : tag_(tag), name_(std::move(name)) {}

// MPI may write into what has begun to arrive until the process ends.
MpiInbox::~MpiInbox() {
  static std::list<Arriving> abandoned;
  abandoned.splice(abandoned.end(), arriving_);
}

std::optional<MpiInbox::Message> MpiInbox::Take(double deadline_seconds) {
  Begin(deadline_seconds);
  for (auto one = arriving_.begin(); one != arriving_.end(); ++one) {
    if (!IsFirstOfItsSender(one)) continue;
    int done = 0;
    Check(Watched([&] { return MPI_Test(&one->request, &done, MPI_STATUS_IGNORE); }),
          one->message.from);
    if (done != 0) {
      Message message = std::move(one->message);
      arriving_.erase(one);
      return message;
    }
    one->patience.Pause([] {});
    if (one->patience.expired()) {
      throw CollectiveError(
          ExitCode::kRankFailure,
          fmt::format("{} began to send {} bytes and did not end within {:g} s",
                      name_(one->message.from), one->message.bytes.size(), deadline_seconds));
    }
  }
  return std::nullopt;
}

// Posts a receive for everything that has been announced.
void MpiInbox::Begin(double deadline_seconds) {
  for (;;) {
    int there = 0;
    MPI_Message handle = MPI_MESSAGE_NULL;
    MPI_Status status{};
    Check(Watched([&] {
            return MPI_Improbe(MPI_ANY_SOURCE, tag_, MPI_COMM_WORLD, &there, &handle, &status);
          }),
          -1);
    if (there == 0) return;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    Arriving& one = arriving_.emplace_back(
        Arriving{{status.MPI_SOURCE, ControlPlane::Bytes(static_cast<std::size_t>(bytes))},
                 MPI_REQUEST_NULL,
                 DeadlineBackoff(deadline_seconds, DeadlineBackoff::Cores::kShared)});
    Check(MPI_Imrecv(one.message.bytes.data(), bytes, MPI_BYTE, &handle, &one.request),
          one.message.from);
  }
}

bool MpiInbox::IsFirstOfItsSender(std::list<Arriving>::const_iterator one) const {
  return std::none_of(arriving_.begin(), one, [&](const Arriving& earlier) {
    return earlier.message.from == one->message.from;
  });
}

void MpiInbox::Check(int code, int from) const {
  if (code == MPI_SUCCESS) return;
  throw CollectiveError(ExitCode::kRankFailure,
                        fmt::format("receiving a message{} failed (MPI error {})",
                                    from < 0 ? "" : " from " + name_(from), code));
}

}  // namespace lockstep
