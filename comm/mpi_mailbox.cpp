#include <mpi.h>

#include <list>
#include <utility>

#include "comm/mailbox.h"
#include "core/error.h"

namespace lockstep {
namespace {

constexpr int kTag = 0;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // MPI counts in int

class MpiMailbox final : public Mailbox {
 public:
  // A communicator of its own: letters are never taken for parts of collectives.
  MpiMailbox() { MPI_Comm_dup(MPI_COMM_WORLD, &comm_); }

  void Send(int to, Communicator::Bytes text) override {
    LOCKSTEP_CHECK(text.size() <= kMostBytes, "a letter of {} bytes", text.size());
    Sent& sent = sent_.emplace_back(std::move(text), MPI_REQUEST_NULL);
    const int code = MPI_Isend(sent.text.data(), static_cast<int>(sent.text.size()), MPI_BYTE, to,
                               kTag, comm_, &sent.request);
    Check(code, "sending");
  }

  std::optional<Letter> Receive() override {
    Clear();
    int arrived = 0;
    MPI_Status status;
    Check(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_, &arrived, &status), "looking for");
    if (arrived == 0) return std::nullopt;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    Letter letter{status.MPI_SOURCE, Communicator::Bytes(static_cast<std::size_t>(bytes))};
    Check(
        MPI_Recv(letter.text.data(), bytes, MPI_BYTE, letter.from, kTag, comm_, MPI_STATUS_IGNORE),
        "receiving");
    return letter;
  }

  bool empty() override {
    Clear();
    return sent_.empty();
  }

 private:
  struct Sent {
    Sent(Communicator::Bytes text_in, MPI_Request request_in)
        : text(std::move(text_in)), request(request_in) {}
    Communicator::Bytes text;
    MPI_Request request;
  };

  static void Check(int code, std::string_view doing) {
    if (code != MPI_SUCCESS)
      throw CollectiveError(
          ExitCode::kRankFailure,
          fmt::format("{} a letter between groups failed (MPI error {})", doing, code));
  }

  // Forgets what has been sent.
  void Clear() {
    for (auto sent = sent_.begin(); sent != sent_.end();) {
      int done = 0;
      Check(MPI_Test(&sent->request, &done, MPI_STATUS_IGNORE), "sending");
      sent = done != 0 ? sent_.erase(sent) : std::next(sent);
    }
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  std::list<Sent> sent_;
};

}  // namespace

std::unique_ptr<Mailbox> OpenMailbox(Communicator& /*world*/) {
  return std::make_unique<MpiMailbox>();
}

}  // namespace lockstep
