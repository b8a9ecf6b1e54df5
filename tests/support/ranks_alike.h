#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"

namespace lockstep {

inline HostMap HostsNamed(const std::vector<std::string>& names) {
  std::vector<RankHost> hosts;
  for (const std::string& name : names) hosts.push_back({.name = name});
  return HostMap(std::move(hosts));
}

// One rank of several on hosts as named, whose peers are as this one is: they may run on the same
// cores.
class RankAlike : public Communicator {
 public:
  RankAlike(int rank, const std::vector<std::string>& hosts)
      : rank_(rank), hosts_(HostsNamed(hosts)) {}

  int rank() const override { return rank_; }
  int size() const override { return hosts_.size(); }
  const HostMap& hosts() const override { return hosts_; }
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    return std::vector<Bytes>(static_cast<std::size_t>(size()), Bytes(mine.begin(), mine.end()));
  }
  void AllReduceSum(const TensorView&, Stream) override {}
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override { return AllGather(mine); }
  void Broadcast(Bytes&) override {}
  void Barrier() override {}
  std::unique_ptr<Communicator> Split(int, int) override { return nullptr; }
  void SendTo(int, std::span<const std::byte>) override {}
  void RecvFrom(int, Bytes&) override {}
  [[noreturn]] void Abort(int exit_code) override { std::exit(exit_code); }
  void set_waiting(Waiting waiting) override { waiting_ = waiting; }
  Waiting waiting() const { return waiting_; }

 private:
  int rank_;
  HostMap hosts_;
  Waiting waiting_ = Waiting::kYields;
};

}  // namespace lockstep
