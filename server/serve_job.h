#pragma once

#include <cstdint>
#include <optional>

#include "server/frontend.h"
#include "serving/model_job.h"

namespace lockstep {

// serve among ranks that mpirun or srun has started: rank 0 answers clients over HTTP itself, until
// it is interrupted; then it takes no more, and ends when what it has accepted is answered, or the
// time for that has passed. A rank that dies ends it; serve_process.h does better.
class ServeJob : public ModelJob {
 public:
  explicit ServeJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    input_.emplace(ReadServerInput(arguments_, model, group_size()));
  }
  std::optional<std::int64_t> cache_pages() const override;
  std::int64_t sampled_vocab() const override { return input_->tokenizer.vocab_size(); }
  const Tokenizer* tokenizer() const override { return &input_->tokenizer; }
  std::int64_t hidden_layer() const override { return input_->hidden_layer; }
  bool is_watched() const override { return true; }
  std::int64_t most_requests() const override { return arguments_.options.server.max_queue; }
  ExitCode Run(const JobContext& place) override;

 private:
  const Arguments& arguments_;
  std::optional<ServerInput> input_;
};

}  // namespace lockstep
