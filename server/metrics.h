#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "serving/request_queue.h"

namespace lockstep {

// What the server counts, in Prometheus' text format, under the names that vLLM's dashboards know
// with the prefix "lockstep:" and the label model_name.
// Thread safety: all methods may be called from any thread.
class Metrics {
 public:
  explicit Metrics(const std::string& model);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // What is measured from now on is of another checkpoint, perhaps under another name.
  void SetModel(const std::string& model, const std::string& checkpoint);

  // A sink that measures what comes for this request and passes it on.
  std::shared_ptr<RequestSink> Metered(const TextRequest& request,
                                       std::shared_ptr<RequestSink> sink);

  // Everything: what was measured, and these.
  std::string Text(const LoopStatistics& now) const;

 private:
  struct Instruments;
  class MeteredSink;

  std::shared_ptr<Instruments> instruments() const;

  mutable std::mutex mutex_;                  // of what follows
  std::shared_ptr<Instruments> instruments_;  // with the sinks, which may outlive this
  std::string checkpoint_;
};

// A queue whose requests are measured.
class MeteredQueue : public RequestQueue {
 public:
  // Both stay the caller's and outlive it.
  MeteredQueue(RequestQueue& queue, Metrics& metrics) : queue_(queue), metrics_(metrics) {}

  Admission Submit(TextRequest request, std::shared_ptr<RequestSink> sink) override {
    auto metered = metrics_.Metered(request, std::move(sink));
    return queue_.Submit(std::move(request), std::move(metered));
  }
  Refusal Refuse(ClientId client) override { return queue_.Refuse(client); }
  void Cancel(Ticket ticket) override { queue_.Cancel(ticket); }
  LoopStatistics statistics() const override { return queue_.statistics(); }
  void Drain() override { queue_.Drain(); }
  void Abort() override { queue_.Abort(); }
  std::string unavailable() const override { return queue_.unavailable(); }

 private:
  RequestQueue& queue_;
  Metrics& metrics_;
};

}  // namespace lockstep
