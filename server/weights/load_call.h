#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/weights/served_checkpoint.h"
#include "server/weights/weight_loader.h"

namespace lockstep {

// What becomes of one POST /v1/load. A client that leaves does not end it.
// Thread safety: another thread ends it; all methods are for one thread.
class LoadCall {
 public:
  struct Shared;  // with whoever ends it

  explicit LoadCall(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~LoadCall();
  LoadCall(const LoadCall&) = delete;
  LoadCall& operator=(const LoadCall&) = delete;

  bool ended() const;
  // Once it has ended: the answer as JSON. Throws ApiError.
  std::string Answer() const;

 private:
  const std::shared_ptr<Shared> shared_;
};

// Has other weights loaded for clients, one after the other. Thread safety: all methods may be
// called from any thread.
class LoadService {
 public:
  // Both stay the caller's and outlive it. on_loaded: called before anything begins on the new
  // weights.
  struct Parts {
    const Checkpoints& checkpoints;
    WeightLoader& loader;
    std::function<void(ServedCheckpoint served)> on_loaded;
  };
  explicit LoadService(Parts parts) : parts_(std::move(parts)) {}

  // Reads the request and the checkpoint's files but for the weights, which takes a while, and has
  // the weights exchanged; the time that the request gives for it begins with the reading of it.
  // notify: called once when that has ended, from another thread, unless the call has been
  // destroyed; may not throw. Throws ApiError: 409 while another one is under way.
  std::unique_ptr<LoadCall> Begin(std::string_view body, std::function<void()> notify);

 private:
  const Parts parts_;
  // With the calls, which may outlive this.
  const std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace lockstep
