#include "comm/self_communicator.h"

#include <cstdlib>

#include "comm/groups/split.h"

namespace lockstep {

void SelfCommunicator::AllReduceSum(const TensorView& x, Stream /*stream*/) {
  LOCKSTEP_CHECK(x.dtype() == DType::kF32, "all-reduce of {}", Name(x.dtype()));
  ++all_reduce_count_;
}

std::vector<ControlPlane::Bytes> SelfCommunicator::AllGather(std::span<const std::byte> mine) {
  return {Bytes(mine.begin(), mine.end())};
}

std::vector<ControlPlane::Bytes> SelfCommunicator::Gather(std::span<const std::byte> mine) {
  return AllGather(mine);
}

void SelfCommunicator::Broadcast(Bytes& /*message*/) {}

std::unique_ptr<Communicator> SelfCommunicator::Split(int color, int key) {
  CheckColor({color, key});
  return std::make_unique<SelfCommunicator>(static_cast<ControlPlane&>(*this));
}

void SelfCommunicator::SendTo(int to, std::span<const std::byte> /*message*/) {
  LOCKSTEP_CHECK(false, "a message to rank {} of 1", to);
}

void SelfCommunicator::RecvFrom(int from, Bytes& /*message*/) {
  LOCKSTEP_CHECK(false, "a message from rank {} of 1", from);
}

void SelfCommunicator::Abort(int exit_code) {
  if (group_ != nullptr) group_->Abort(exit_code);
  std::_Exit(exit_code);
}

}  // namespace lockstep
