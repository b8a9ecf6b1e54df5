#include "comm/hierarchical_communicator.h"

#include <cstdlib>

namespace lockstep {

HierarchicalCommunicator::HierarchicalCommunicator(Parts parts)
    : Communicator(parts.world->deadline()), parts_(std::move(parts)) {}

HierarchicalCommunicator::~HierarchicalCommunicator() {
  // Leaving in good order would wait for ranks that do not come.
  if (broken_) static_cast<void>(parts_.world.release());
}

void HierarchicalCommunicator::set_waiting(Waiting waiting) {
  parts_.world->set_waiting(waiting);
  parts_.across->set_waiting(waiting);
  parts_.local->set_waiting(waiting);
}

void HierarchicalCommunicator::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(!broken_, "a collective after one that failed");
  x.data<float>();  // refuses other dtypes before anything has begun
  broken_ = true;
  ++all_reduce_count_;
  parts_.local->AllReduceSum(x, stream);
  broken_ = false;
}

void HierarchicalCommunicator::Abort(int exit_code) {
  parts_.world->Abort(exit_code);
  std::_Exit(exit_code);
}

std::vector<ControlPlane::Bytes> HierarchicalCommunicator::AllGather(
    std::span<const std::byte> mine) {
  return parts_.world->AllGather(mine);
}

std::vector<ControlPlane::Bytes> HierarchicalCommunicator::Gather(std::span<const std::byte> mine) {
  return parts_.world->Gather(mine);
}

void HierarchicalCommunicator::Broadcast(Bytes& message) { parts_.world->Broadcast(message); }

void HierarchicalCommunicator::Barrier() { parts_.world->Barrier(); }

std::unique_ptr<Communicator> HierarchicalCommunicator::Split(int color, int key) {
  LOCKSTEP_CHECK(!broken_, "a collective after one that failed");
  return parts_.world->Split(color, key);
}

void HierarchicalCommunicator::SendTo(int to, std::span<const std::byte> message) {
  parts_.world->Send(to, message);
}

void HierarchicalCommunicator::RecvFrom(int from, Bytes& message) {
  parts_.world->Recv(from, message);
}

}  // namespace lockstep
