#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"

namespace lockstep {

// A world of one process. Its sums and broadcasts leave everything as it is.
// Not thread-safe, as Communicator.
class SelfCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string host(int rank) const override;
  std::string_view transport() const override { return "one rank"; }

  void AllReduceSum(const TensorView& x, Stream stream) override;
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override;
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override;
  void Broadcast(Bytes& message) override;
  void Barrier() override {}
  [[noreturn]] void Abort(int exit_code) override;
};

}  // namespace lockstep
