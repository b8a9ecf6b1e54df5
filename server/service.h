#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/openai/read_request.h"
#include "server/completion_call.h"
#include "server/metrics.h"
#include "server/weights/load_call.h"

namespace lockstep {

// Who asks for something that takes time.
struct Asker {
  std::string_view id = {};   // what the answer's id ends with; empty: a number
  ClientId client = kNobody;  // as TextRequest's
};

// What the server answers, without HTTP.
// Thread safety: all methods may be called from any thread.
class Service {
 public:
  struct Parts {
    RequestQueue& queue;
    const Tokenizer& tokenizer;
    const ModelSpec& spec;
    WeightFormat format = WeightFormat::kF32;  // of the weights
    const Options& defaults;                   // of sampling
    std::string model;                         // the name by which it is served
    std::vector<std::int32_t> end_tokens = {};
    int ranks = 1;  // that share the model
    ChatSupport chat = {};
    // Where clients may have other weights loaded, both; else null.
    const Checkpoints* checkpoints = nullptr;
    WeightLoader* loader = nullptr;
  };
  explicit Service(const Parts& parts);

  // JSON documents, and the metrics in Prometheus' text format.
  std::string Models() const;
  std::string Model(std::string_view name) const;  // throws ApiError(404) for any but the one
  std::string Version() const;
  std::string MetricsText() const;
  std::string Defaults() const;  // of requests
  std::string Tokenize(std::string_view body) const;
  std::string Detokenize(std::string_view body) const;
  std::string TokenizerInfo() const;
  const std::string& OpenApi() const { return openapi_; }

  // Nothing is accepted from now on; what was accepted is answered.
  void Drain();
  // Why nothing is answered; empty where all is well.
  std::string unavailable() const;

  // Of the three kinds of requests that take time. Throw ApiError.
  ReadRequest ReadCompletion(std::string_view body, const Asker& asker = {}) const;
  ReadRequest ReadChat(std::string_view body, const Asker& asker = {}) const;
  ReadRequest ReadEmbedding(std::string_view body, const Asker& asker = {}) const;
  // notify, label: as CompletionCall's.
  std::unique_ptr<CompletionCall> Begin(const ApiRequest& request, std::function<void()> notify,
                                        LogLabel label = {}) const;
  // Of other weights; as LoadService::Begin(). 403 where that is not allowed.
  std::unique_ptr<LoadCall> BeginLoad(std::string_view body, std::function<void()> notify);

 private:
  using ServedPtr = std::shared_ptr<const ServedCheckpoint>;
  struct ReplyName {
    std::string_view kind;  // "cmpl"
    std::string_view id;    // empty: a number
  };

  void Serve(ServedCheckpoint served);
  ServedPtr served() const;
  Json ModelObject(const ServedCheckpoint& served) const;
  void RefuseIfBusy(ClientId client) const;
  RequestRules RulesOf(const ServedCheckpoint& served, const Asker& asker) const;
  ReplyParts PartsOfReply(const ReplyName& name, const ServedCheckpoint& served) const;

  const Tokenizer& tokenizer_;
  const std::string openapi_;
  const ModelSpec& spec_;
  const WeightFormat format_;
  const int ranks_;
  mutable std::mutex mutex_;  // of the next one alone
  ServedPtr served_;          // a request keeps what it was read with
  Metrics metrics_;
  mutable MeteredQueue queue_;
  std::optional<LoadService> loads_;
  std::int64_t started_;  // seconds since 1970
  std::atomic<bool> draining_ = false;
  mutable std::atomic<std::uint64_t> next_id_ = 0;
  std::uint64_t first_id_;
};

}  // namespace lockstep
