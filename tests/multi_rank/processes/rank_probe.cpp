// A rank that does what it is told, most of it bad:
//   rank_probe RANKS MODE [RANK] [DEADLINE_SECONDS] [anything…]
// Starts and runs its world exactly as `lockstep --tp RANKS` does.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/activity.h"
#include "core/error.h"
#include "core/log.h"
#include "runtime/spawn/spawn.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/rank_facts.h"
#include "runtime/world/world.h"
#include "tests/multi_rank/processes/stalling_mpi.h"

namespace lockstep {
namespace {

struct Order {
  std::string mode;
  int rank = 0;  // which rank misbehaves
  double deadline_seconds = 60;
  std::vector<std::string> arguments;
};

void SayPids(Communicator& comm) {
  const pid_t mine = ::getpid();
  const auto all = comm.Gather(std::as_bytes(std::span(&mine, 1)));
  if (comm.rank() != 0) return;
  std::cout << "pids " << ::getppid();
  for (const auto& bytes : all) {
    pid_t pid = 0;
    std::memcpy(&pid, bytes.data(), sizeof(pid));
    std::cout << ' ' << pid;
  }
  std::cout << std::endl;
}

void Sum(Communicator& comm, std::size_t count) {
  std::vector<float> x(count, 1.0f);
  const auto length = static_cast<std::int64_t>(count);
  comm.AllReduceSum(TensorView(x.data(), DType::kF32, {length}), Stream{});
  if (x[0] != static_cast<float>(comm.size())) throw BadInput("sum is {}", x[0]);
}

void SleepFor(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// What the rank that was singled out does at step 5.
void Misbehave(Communicator& comm, const Order& order) {
  static const std::map<std::string, int> kSignals = {{"kill", SIGKILL}, {"abort", SIGABRT}};
  if (order.mode == "throw") throw BadInput("weights of layer 3 are torn");
  if (order.mode == "surprise") throw std::logic_error("what was that");
  if (order.mode == "exit") ::_exit(7);
  if (order.mode == "late") SleepFor(300);
  if (order.mode == "hold") testing::ComputeForeverInTestsome();
  if (order.mode == "drift") comm.Barrier();
  if (order.mode == "size-drift") Sum(comm, 200);
  const auto found = kSignals.find(order.mode);
  if (found != kSignals.end()) ::raise(found->second);
}

// The shape of a generation loop: rank 0 decides in its step message when all stop.
int Generate(Communicator& comm, const Order& order) {
  const Activity generating("decoding");
  FinishStepsOnInterrupt();
  SayPids(comm);
  for (int step = 0;; ++step) {
    Communicator::Bytes message(1, std::byte{InterruptRequested()});
    comm.Broadcast(message);
    if (message[0] != std::byte{0}) break;
    const Activity doing(fmt::format("decoding (step {})", step));
    if (step == 5 && comm.rank() == order.rank) Misbehave(comm, order);
    Sum(comm, 100);
    if (comm.rank() == 0) std::cout << "step " << step << std::endl;
    SleepFor(0.01);
  }
  if (comm.rank() == 0) std::cout << "stopped" << std::endl;
  return static_cast<int>(ExitCode::kInterrupted);
}

// Two parts that do not wait for each other, until a rank of one of them misbehaves.
int GenerateInParts(Communicator& comm, Order order) {
  const std::unique_ptr<Communicator> part = comm.Split(comm.rank() % 2, -comm.rank());
  const Activity generating("decoding");
  order.mode = order.mode.substr(order.mode.find('-') + 1);
  for (int step = 0;; ++step) {
    const Activity doing(fmt::format("decoding (step {})", step));
    if (step == 5 && comm.rank() == order.rank) Misbehave(*part, order);
    Sum(*part, 100);
    SleepFor(0.01);
  }
}

void EchoInput() {
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(STDIN_FILENO, buffer, sizeof(buffer))) > 0;) {
    std::cout.write(buffer, n);
  }
}

void LoadBadly(Communicator& comm, const Order& order) {
  Agree(comm, "loading weights", [&] {
    if (order.mode == "agree-all") throw BadInput("model.safetensors: no such file");
    if (order.rank == comm.rank()) throw EnvironmentError("model.safetensors: read error");
  });
}

// As MPI does where the rank at the other end has just died.
void WriteToNobody() {
  int ends[2];
  if (::pipe(ends) != 0) throw EnvironmentError("pipe: {}", ::strerror(errno));
  ::close(ends[0]);
  if (::write(ends[1], "", 1) != -1) throw BadInput("somebody reads");
  ::close(ends[1]);
}

// Of the rank that has most, until the ranks have found each other and agreed on a few things.
void SayMessages(Communicator& comm) {
  CompareFacts(comm, {{"the model", "a small one"}}, "");
  Agree(comm, "loading weights", [] {});
  const int mine = testing::MessagesOfThisRank();
  int most = 0;
  for (const auto& bytes : comm.AllGather(std::as_bytes(std::span(&mine, 1)))) {
    int theirs = 0;
    std::memcpy(&theirs, bytes.data(), sizeof(theirs));
    most = std::max(most, theirs);
  }
  if (comm.rank() == 0) std::cout << "messages " << most << std::endl;
}

int Obey(Communicator& comm, const Order& order) {
  if (order.mode == "messages") {
    SayMessages(comm);
    return 0;
  }
  if (order.mode == "broken-pipe" && comm.rank() == order.rank) WriteToNobody();
  if (order.mode.starts_with("agree")) LoadBadly(comm, order);
  if (order.mode == "code") return order.rank;
  if (order.mode == "echo") {
    if (comm.rank() == 0) EchoInput();
    return 0;
  }
  if (order.mode == "arguments") {
    for (const auto& argument : order.arguments) {
      if (comm.rank() == 0) std::cout << '[' << argument << "]\n";
    }
    return 0;
  }
  if (order.mode == "sum" || order.mode == "broken-pipe") {
    Sum(comm, 100);
    if (comm.rank() == 0) std::cout << "sum over " << comm.size() << " ranks" << std::endl;
    return 0;
  }
  if (order.mode.starts_with("parts-")) return GenerateInParts(comm, order);
  return Generate(comm, order);
}

int Main(int argc, char** argv) {
  const auto arguments = RankArguments(argc, argv);
  const int ranks = std::stoi(arguments.at(1));
  Order order{arguments.at(2), -1, 60, arguments};
  if (arguments.size() > 3) order.rank = std::stoi(arguments[3]);
  if (arguments.size() > 4) order.deadline_seconds = std::stod(arguments[4]);
  if (ranks > 1 && !InsideWorld()) {
    const bool brief = order.mode == "unstarted";
    return SpawnWorld({ranks, brief ? order.deadline_seconds : 60}, arguments);
  }
  if (order.mode == "debug") SetLogLevel(LogLevel::kDebug);
  if (order.mode == "unjoined" && std::getenv("OMPI_COMM_WORLD_RANK") == arguments.at(3)) {
    SleepFor(300);
  }
  WorldConfig config;
  if (order.mode == "unjoined" || order.mode == "stall")
    config.world.init_deadline_seconds = order.deadline_seconds;
  if (order.mode == "debug" || order.mode == "unjoined" || order.mode == "stall")
    order.mode = "sum";
  if (order.mode == "unshared") {
    // As if they were two on one host and one on another.
    config.world.ranks_per_host = 2;
    config.world.shared_memory = SharedMemory::kOn;
  }
  if (order.mode.starts_with("hosts-")) {
    config.world.ranks_per_host = 2;
    order.mode.erase(0, order.mode.find('-') + 1);
  }
  if (order.mode.starts_with("mpi-")) {
    config.world.shared_memory = SharedMemory::kOff;
    order.mode.erase(0, order.mode.find('-') + 1);
  }
  config.expected_ranks = ranks;
  config.world.deadline_seconds = order.deadline_seconds;
  return RunWorld(config, [&](Communicator& comm) { return Obey(comm, order); });
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  try {
    return lockstep::Main(argc, argv);
  } catch (const lockstep::Error& error) {
    lockstep::LogError("{}", error.what());
    return static_cast<int>(error.code());
  }
}
