#include "comm/hierarchical_communicator.h"

#include <cstdlib>

namespace lockstep {
namespace {

// A rank that waits for a peer on its own host can name it. One that waits for a rank on another
// host does not know that it waits too: it leaves that rank the time to speak first.
constexpr double kSpeakFirstSeconds = 5;

}  // namespace

HierarchicalCommunicator::HierarchicalCommunicator(Parts parts) : parts_(std::move(parts)) {
  set_deadline_seconds(parts_.world->deadline_seconds());
}

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
  parts_.local->set_deadline_seconds(deadline_seconds());
  parts_.across->set_deadline_seconds(deadline_seconds() + kSpeakFirstSeconds);
  parts_.local->AllReduceSum(x, stream);
  broken_ = false;
}

void HierarchicalCommunicator::Abort(int exit_code) {
  parts_.world->Abort(exit_code);
  std::_Exit(exit_code);
}

Communicator& HierarchicalCommunicator::World() {
  parts_.world->set_deadline_seconds(deadline_seconds());
  return *parts_.world;
}

std::vector<Communicator::Bytes> HierarchicalCommunicator::AllGather(
    std::span<const std::byte> mine) {
  return World().AllGather(mine);
}

std::vector<Communicator::Bytes> HierarchicalCommunicator::Gather(std::span<const std::byte> mine) {
  return World().Gather(mine);
}

void HierarchicalCommunicator::Broadcast(Bytes& message) { World().Broadcast(message); }

void HierarchicalCommunicator::Barrier() { World().Barrier(); }

}  // namespace lockstep
