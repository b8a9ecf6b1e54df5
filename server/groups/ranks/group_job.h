#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "serving/model_job.h"

namespace lockstep {

// serve, in the ranks of a group: rank 0 answers the server that has started them.
class GroupJob : public ModelJob {
 public:
  // socket: of the server.
  GroupJob(const Arguments& arguments, std::string socket)
      : arguments_(arguments), socket_(std::move(socket)) {}

  void Prepare(const ModelFiles& model) override;
  std::optional<std::int64_t> cache_pages() const override;
  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }
  const Tokenizer* tokenizer() const override { return &*tokenizer_; }
  std::int64_t hidden_layer() const override { return hidden_layer_; }
  bool is_watched() const override { return true; }
  ExitCode Run(const JobContext& place) override;

 private:
  const Arguments& arguments_;
  const std::string socket_;
  std::optional<Tokenizer> tokenizer_;
  std::int64_t hidden_layer_ = 0;
};

}  // namespace lockstep
