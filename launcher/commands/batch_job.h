#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "launcher/commands/input_lines.h"
#include "launcher/commands/journal.h"
#include "launcher/commands/requests.h"
#include "launcher/commands/runtime.h"

namespace lockstep {

// Where a batch job's records go, in the order of the input.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual bool Has(std::int64_t index) const = 0;
  virtual void Put(std::int64_t index, std::string_view record) = 0;
  virtual std::int64_t errors() const = 0;
  virtual std::int64_t taken_up() const = 0;
  virtual void Commit() = 0;
};

// lockstep generate --input: continues every line of a file that is never in memory as a whole,
// and keeps the engine full meanwhile. A line that cannot be used gives an error record. With a
// file as its output the job can be killed at any moment and go on later (journal.h).
class BatchJob : public ModelJob {
 public:
  explicit BatchJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override;
  std::int64_t cache_pages() const override;
  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }
  ExitCode Run(Engine& engine) override;

 private:
  class Runner;

  // Whether the output is a file, so that the job can go on later.
  bool KeepsJournal() const;
  std::unique_ptr<RecordSink> OpenSink() const;

  const Arguments& arguments_;
  std::optional<Tokenizer> tokenizer_;
  ModelSpec spec_;
  InputSummary input_;
  JobIdentity identity_;
};

}  // namespace lockstep
