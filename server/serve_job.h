#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/openai/chat_request.h"
#include "serving/model_job.h"

namespace lockstep {

// serve: answers clients over HTTP until it is interrupted; then it takes no more, and ends when
// what it has accepted is answered, or the time for that has passed.
class ServeJob : public ModelJob {
 public:
  explicit ServeJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override;
  std::optional<std::int64_t> cache_pages() const override;
  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }
  const Tokenizer* tokenizer() const override { return &*tokenizer_; }
  std::int64_t hidden_layer() const override { return hidden_layer_; }
  std::int64_t most_requests() const override { return options_.server.max_queue; }
  ExitCode Run(const JobContext& place) override;

 private:
  std::string ModelName() const;

  const Arguments& arguments_;
  Options options_;  // with the model's defaults
  GenerationConfig generation_;
  AppliedDefaults defaults_;
  std::optional<Tokenizer> tokenizer_;
  ModelSpec spec_;
  std::int64_t hidden_layer_ = 0;  // of vectors
  std::string api_key_;
  ChatSupport chat_;
};

}  // namespace lockstep
