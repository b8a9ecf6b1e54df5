#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/openai/api_reply.h"
#include "api/openai/chat_request.h"
#include "server/completion_call.h"
#include "server/metrics.h"

namespace lockstep {

// A request for texts or vectors that was read, and what makes its answer.
struct ReadRequest {
  std::shared_ptr<const ApiRequest> request;
  std::unique_ptr<ApiReply> reply;
};

// What the server answers, without HTTP.
// Thread safety: all methods may be called from any thread.
class Service {
 public:
  struct Parts {
    RequestQueue& queue;
    const Tokenizer& tokenizer;
    const ModelSpec& spec;
    const Options& defaults;  // of sampling
    std::string model;        // the name by which it is served
    std::vector<std::int32_t> end_tokens = {};
    int ranks = 1;  // that share the model
    ChatSupport chat = {};
  };
  explicit Service(Parts parts);

  // JSON documents, and the metrics in Prometheus' text format.
  std::string Models() const;
  std::string Version() const;
  std::string MetricsText() const;
  std::string Defaults() const;  // of requests
  std::string Tokenize(std::string_view body) const;
  std::string Detokenize(std::string_view body) const;
  std::string TokenizerInfo() const;

  // Nothing is accepted from now on; what was accepted is answered.
  void Drain();
  // Why nothing is answered; empty where all is well.
  std::string unavailable() const;

  // Of the three kinds of requests that take time. Throw ApiError.
  ReadRequest ReadCompletion(std::string_view body) const;
  ReadRequest ReadChat(std::string_view body) const;
  ReadRequest ReadEmbedding(std::string_view body) const;
  // notify: as CompletionCall's.
  std::unique_ptr<CompletionCall> Begin(const ApiRequest& request,
                                        std::function<void()> notify) const;

 private:
  void RefuseIfBusy() const;
  RequestRules Rules() const;
  ReplyParts PartsOfReply(std::string_view kind) const;

  Parts parts_;
  Metrics metrics_;
  mutable MeteredQueue queue_{parts_.queue, metrics_};
  std::int64_t started_;  // seconds since 1970
  std::atomic<bool> draining_ = false;
  mutable std::atomic<std::uint64_t> next_id_ = 0;
  std::uint64_t first_id_;
};

}  // namespace lockstep
