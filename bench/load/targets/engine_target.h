#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "bench/load/targets/load_target.h"
#include "engine/request.h"
#include "serving/request_queue.h"

namespace lockstep {

// The engine of this process, without HTTP. The queue is run by another thread.
class EngineTarget : public LoadTarget {
 public:
  // sampling: of every request, but for its length. io lives until the queue has ended all that it
  // was sent.
  EngineTarget(boost::asio::io_context& io, RequestQueue& queue, const SamplingParams& sampling);
  ~EngineTarget() override;

  void Send(LoadRequest request, const RunClock& clock, Done done) override;
  void Cancel() override;

 private:
  class Sink;
  struct Shared;
  const std::shared_ptr<Shared> shared_;
  RequestQueue& queue_;
  const SamplingParams sampling_;
  std::uint64_t next_stream_ = 0;
};

}  // namespace lockstep
