// ncclSend and ncclRecv: chunks through the channel between two ranks.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "device_memory.h"
#include "nccl_communicator.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

// One end of a transfer. The call's root is the peer.
class TransferTask {
 public:
  TransferTask(std::shared_ptr<Communicator> communicator, const CollectiveCall& call,
               Communicator::PeerOrder& order)
      : comm_(std::move(communicator)), call_(call), order_(order), ticket_(order.issued++) {}
  virtual ~TransferTask() = default;

  bool Advance() {
    if (comm_->GivenUp()) return Finish();
    if (comm_->error() != ncclSuccess || order_.done != ticket_) return false;
    const DeviceAccess access;
    while (done_ < TotalBytes()) {
      if (!MoveChunk(std::min(kChunkBytes, TotalBytes() - done_))) {
        if (comm_->GivenUp()) return Finish();
        comm_->CheckPeer(call_.root, Describe(MySignature()), [this] { return !IsReady(); });
        return false;
      }
    }
    return Finish();
  }

 protected:
  // The channel has room, or data.
  virtual bool IsReady() const = 0;
  // False as long as the channel is not ready.
  virtual bool MoveChunk(std::size_t bytes) = 0;

  std::size_t TotalBytes() const { return call_.count * ElementBytes(call_.type); }
  Signature MySignature() const {
    return {CollectiveKind::kSend, call_.type, ncclSum, 0, call_.count, ticket_};
  }
  bool Finish() {
    if (order_.done == ticket_) ++order_.done;
    return true;
  }

  std::shared_ptr<Communicator> comm_;
  CollectiveCall call_;
  Communicator::PeerOrder& order_;
  std::uint64_t ticket_;
  std::size_t done_ = 0;  // bytes
};

class SendTask : public TransferTask {
 public:
  using TransferTask::TransferTask;

 private:
  Channel& MyChannel() const { return comm_->ChannelBetween(comm_->rank(), call_.root); }
  bool IsReady() const override {
    const Channel& channel = MyChannel();
    return channel.written.load() == channel.read.load(std::memory_order_acquire);
  }
  bool MoveChunk(std::size_t bytes) override {
    if (!IsReady()) return false;
    Channel& channel = MyChannel();
    const char* from = static_cast<const char*>(call_.send) + done_;
    {
      const tsan::WatchScope watch;
      tsan::Read(from, bytes);
    }
    std::memcpy(channel.data, from, bytes);
    channel.signature = MySignature();
    channel.written.fetch_add(1, std::memory_order_release);
    done_ += bytes;
    return true;
  }
};

class ReceiveTask : public TransferTask {
 public:
  using TransferTask::TransferTask;

 private:
  Channel& MyChannel() const { return comm_->ChannelBetween(call_.root, comm_->rank()); }
  bool IsReady() const override {
    const Channel& channel = MyChannel();
    return channel.written.load(std::memory_order_acquire) != channel.read.load();
  }
  bool MoveChunk(std::size_t bytes) override {
    if (!IsReady()) return false;
    Channel& channel = MyChannel();
    if (!(channel.signature == MySignature())) {
      comm_->Fail(
          ncclInvalidUsage,
          fmt::format("transfers do not match: rank {} sends {}, rank {} receives {}", call_.root,
                      Describe(channel.signature), comm_->rank(), Describe(MySignature())));
      return false;
    }
    char* to = static_cast<char*>(call_.receive) + done_;
    {
      const tsan::WatchScope watch;
      tsan::Write(to, bytes);
    }
    std::memcpy(to, channel.data, bytes);
    channel.read.fetch_add(1, std::memory_order_release);
    done_ += bytes;
    return true;
  }
};

}  // namespace

TaskMaker MakeSend(std::shared_ptr<Communicator> communicator, const CollectiveCall& call) {
  return [communicator = std::move(communicator), call]() -> Task {
    auto task = std::make_shared<SendTask>(communicator, call, communicator->Sends(call.root));
    return [task] { return task->Advance(); };
  };
}

TaskMaker MakeReceive(std::shared_ptr<Communicator> communicator, const CollectiveCall& call) {
  return [communicator = std::move(communicator), call]() -> Task {
    auto task =
        std::make_shared<ReceiveTask>(communicator, call, communicator->Receives(call.root));
    return [task] { return task->Advance(); };
  };
}

}  // namespace lockstep::cuda_emulation
