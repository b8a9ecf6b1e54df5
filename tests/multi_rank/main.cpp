// main() of every multi-rank test: run it alone, or under mpirun -n N.
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include "core/log.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"
#include "tests/multi_rank/multi_rank.h"

namespace lockstep::testing {
namespace {

Communicator* g_comm = nullptr;

// Ranks other than 0 are silent except for their failures.
class FailurePrinter : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const char* file = result.file_name() != nullptr ? result.file_name() : "?";
    LogError("{}:{}: {}", file, result.line_number(), result.summary());
  }
};

int RunTests(Communicator& comm) {
  g_comm = &comm;
  // A rank that lost a peer says so before mpirun's signal ends it.
  FinishStepsOnInterrupt();
  if (comm.rank() == 0)
    std::printf("collectives through %s\n", std::string(comm.transport()).c_str());
  if (comm.rank() != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  const auto failed = static_cast<std::byte>(RUN_ALL_TESTS() != 0);
  bool any_failed = false;
  for (const auto& answer : comm.AllGather({&failed, 1})) {
    any_failed = any_failed || answer.at(0) != std::byte{0};
  }
  return any_failed ? 1 : 0;
}

}  // namespace

Communicator& WorldComm() { return *g_comm; }

void MultiRank::TearDown() {
  const auto failed = static_cast<std::byte>(HasFailure());
  const auto answers = comm().AllGather({&failed, 1});
  for (int peer = 1; peer < size() && rank() == 0; ++peer) {
    if (answers[static_cast<std::size_t>(peer)].at(0) != std::byte{0}) {
      ADD_FAILURE() << "failed on rank " << peer;
    }
  }
}

}  // namespace lockstep::testing

// main's arguments: [auto|on|off [RANKS_PER_HOST]], both of WorldOptions.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  lockstep::WorldConfig config;
  const std::string sharing = argc > 1 ? argv[1] : "auto";
  if (sharing == "on") config.world.shared_memory = lockstep::SharedMemory::kOn;
  if (sharing == "off") config.world.shared_memory = lockstep::SharedMemory::kOff;
  if (argc > 2) config.world.ranks_per_host = std::stoi(argv[2]);
  config.world.deadline_seconds = 20;
  config.world.max_message_bytes = 1 << 20;  // so that the larger messages go in pieces
  return lockstep::RunWorld(config, lockstep::testing::RunTests);
}
