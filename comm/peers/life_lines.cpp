#include "comm/peers/life_lines.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "comm/peers/line_sockets.h"

namespace lockstep {
namespace {

int OpenProcess(int process) {
  return static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(process), 0));
}

std::vector<int> ProcessesOf(ControlPlane& world) {
  const int mine = ::getpid();
  std::vector<int> processes;
  for (const auto& bytes : world.AllGather(std::as_bytes(std::span(&mine, 1)))) {
    LOCKSTEP_CHECK(bytes.size() == sizeof(mine), "{} bytes", bytes.size());
    std::memcpy(&processes.emplace_back(), bytes.data(), sizeof(mine));
  }
  return processes;
}

// The lowest ranks of all hosts but rank 0's.
std::vector<int> LeadersElsewhere(const std::vector<HostPlace>& places) {
  std::vector<int> leaders;
  for (int rank = 1; rank < static_cast<int>(places.size()); ++rank)
    if (places[static_cast<std::size_t>(rank)].first_rank == rank) leaders.push_back(rank);
  return leaders;
}

}  // namespace

std::unique_ptr<LifeLines> LifeLines::Open(ControlPlane& world) {
  std::unique_ptr<LifeLines> lines(new LifeLines);
  lines->WatchNeighbours(world, ProcessesOf(world));
  lines->ConnectHosts(world);
  return lines;
}

LifeLines::~LifeLines() {
  for (const Line& line : lines_) ::close(line.descriptor);
}

void LifeLines::WatchNeighbours(const ControlPlane& world, const std::vector<int>& processes) {
  const std::vector<HostPlace> places = world.hosts().Places();
  const auto at = [&](int rank) { return places[static_cast<std::size_t>(rank)].first_rank; };
  for (int rank = 0; rank < world.size(); ++rank) {
    if (rank == world.rank() || at(rank) != at(world.rank())) continue;
    const int process = OpenProcess(processes[static_cast<std::size_t>(rank)]);
    if (process >= 0) lines_.push_back({rank, process, true});
  }
}

void LifeLines::ConnectHosts(ControlPlane& world) {
  const std::vector<int> leaders = LeadersElsewhere(world.hosts().Places());
  if (leaders.empty()) return;
  LineListener listener;
  ControlPlane::Bytes contact;
  if (world.rank() == 0) contact = listener.Open();
  world.Broadcast(contact);
  if (world.rank() == 0) {
    for (const auto& [rank, descriptor] : listener.Accept(leaders))
      lines_.push_back({rank, descriptor, false});
  } else if (std::ranges::find(leaders, world.rank()) != leaders.end()) {
    const int descriptor = ConnectLine(contact, world.rank());
    if (descriptor >= 0) lines_.push_back({0, descriptor, false});
  }
  // Nobody is to be taken for gone that has not been asked to come.
  world.Barrier();
  // A rank that has tried another address meanwhile has closed this connection, and has not ended.
  std::erase_if(lines_, [](const Line& line) {
    if (line.is_process || !IsClosed(line.descriptor)) return false;
    ::close(line.descriptor);
    return true;
  });
}

std::optional<int> LifeLines::Gone() {
  std::vector<pollfd> polled;
  for (const Line& line : lines_) polled.push_back({line.descriptor, POLLIN, 0});
  if (::poll(polled.data(), polled.size(), 0) <= 0) return std::nullopt;
  for (std::size_t at = 0; at < polled.size(); ++at) {
    if (polled[at].revents == 0) continue;
    const Line line = lines_[at];
    if (line.is_process || IsClosed(line.descriptor)) return line.rank;
    // The network has given it up, which says nothing of the rank.
    ::close(line.descriptor);
    lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(at));
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace lockstep
