#include "tests/unit/server/fake_group.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/files/own_program.h"
#include "server/groups/group_place.h"
#include "server/groups/group_process.h"
#include "server/groups/wire/frame_socket.h"
#include "server/groups/wire/local_socket.h"
#include "server/groups/wire/messages.h"

namespace lockstep {
namespace {

class FakeGroup {
 public:
  explicit FakeGroup(const GroupPlace& place) : socket_(ConnectTo(place.socket)) {
    if (!place.checkpoint.empty()) checkpoint_ = place.checkpoint;
  }

  void Run() {
    Send(ReadyMessage());
    while (!leaving_) {
      Send(BeatMessage());
      pollfd polled{socket_.number(), POLLIN, 0};
      ::poll(&polled, 1, 20);
      if (!socket_.Read()) return;
      for (auto message = socket_.Next(); message; message = socket_.Next())
        std::visit([this](const auto& kind) { Take(kind); }, Decode<ToGroup>(*message));
    }
  }

 private:
  void Send(const FromGroup& message) {
    socket_.Put(Encode(message));
    socket_.Write();
  }
  void Take(const CancelMessage& /*message*/) {}
  void Take(const LeaveMessage& /*message*/) { leaving_ = true; }
  void Take(const WeightsMessage& message) {
    if (message.step == WeightsStep::kDrop) return;
    if (message.checkpoint == "deadly") ::raise(SIGKILL);
    if (message.checkpoint == "broken")
      return Send(WeightsDoneMessage{ExitCode::kBadInput, "/a/file is damaged", 0.5});
    if (message.step == WeightsStep::kSwitch) checkpoint_ = message.checkpoint;
    Send(WeightsDoneMessage{.code = ExitCode::kOk, .message = "", .seconds = 0.5});
  }
  void Take(const SubmitMessage& message) {
    const std::int64_t count = message.request.sampling.max_new_tokens;
    if (message.request.prompt == "wait") return;
    ResultMessage result{message.ticket, {}};
    const auto& reached = message.request.reached.samples;
    const auto first = reached.empty() ? 0 : std::ssize(reached.front().tokens);
    for (auto token = static_cast<std::int32_t>(first); token < count; ++token) {
      Obey(message.request.prompt, token);
      const bool last = token + 1 == count;
      Send(PieceMessage{message.ticket,
                        {.text = checkpoint_,
                         .token = token,
                         .finish = last ? FinishReason::kLength : FinishReason::kNone}});
    }
    Send(result);
  }
  static std::uintmax_t CountIn(const std::string& path) {
    std::ofstream(path, std::ios::app) << "x";
    std::error_code ignored;
    return std::filesystem::file_size(path, ignored);
  }
  static void Obey(const std::string& order, int token) {
    std::istringstream words(order);
    std::string what, path;
    words >> what >> path;
    if (what == "fail") ::_exit(1);
    while (what == "until" && !std::filesystem::exists(path)) ::usleep(1000);
    if (what == "killed" && CountIn(path) <= 3) ::raise(SIGKILL);
    if (what != "die" && what != "stop") return;
    if (!path.empty() && (token != 2 || std::filesystem::exists(path))) return;
    if (!path.empty()) std::ofstream(path) << "done";
    ::raise(what == "die" ? SIGKILL : SIGSTOP);
  }

  FrameSocket socket_;
  std::string checkpoint_ = "t";
  bool leaving_ = false;
};

// Before the tests would run.
const bool is_test = [] {
  const auto place = GroupPlace::FromEnvironment();
  if (!place) return true;
  const char* broken = std::getenv("FAKE_GROUP_BROKEN");
  if (broken != nullptr && place->ranks > 1 && std::filesystem::exists(broken)) ::_exit(3);
  FakeGroup(*place).Run();
  ::_exit(0);
}();

}  // namespace

std::vector<std::string> FakeGroupCommand() { return {OwnProgram()}; }

}  // namespace lockstep
