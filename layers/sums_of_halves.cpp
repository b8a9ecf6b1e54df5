#include "layers/sums_of_halves.h"

#include <utility>

#include "comm/overlap/background_sums.h"

namespace lockstep {
namespace {

// Nobody waits on the host: a peer that does not come ends the wait for the stream, which is behind
// the sum.
class QueuedSums final : public SumsBeside {
 public:
  QueuedSums(Reducer& reducer, std::unique_ptr<SideQueue> queue)
      : reducer_(reducer), queue_(std::move(queue)) {}

  void Begin(const TensorView& x) override {
    queue_->Follow();
    reducer_.AllReduceSum(x, queue_->stream());
    queue_->Mark();
  }
  void Await() override { queue_->Join(); }

 private:
  Reducer& reducer_;
  std::unique_ptr<SideQueue> queue_;
};

}  // namespace

std::unique_ptr<SumsBeside> MakeSumsBeside(Device& device, Reducer& reducer) {
  if (auto queue = device.MakeSideQueue())
    return std::make_unique<QueuedSums>(reducer, std::move(queue));
  return std::make_unique<BackgroundSums>(reducer);
}

}  // namespace lockstep
