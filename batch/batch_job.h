#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/openai/chat/chat_request.h"
#include "api/requests.h"
#include "batch/files/input_lines.h"
#include "batch/files/record_sink.h"
#include "batch/queue/batch_coordinator.h"
#include "core/error.h"
#include "serving/model_job.h"

namespace lockstep {

// generate --input, score and embed: answers every line of a file that is never in memory as a
// whole, and keeps the engines of all groups full meanwhile (batch_coordinator.h, batch_worker.h).
// With a file as its output the job can be killed at any moment and go on later (journal.h).
class BatchJob : public ModelJob {
 public:
  explicit BatchJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override;
  void PrepareHelper(const ModelFiles& model) override;
  std::optional<std::int64_t> cache_pages() const override;
  std::int64_t sampled_vocab() const override;
  const Tokenizer* tokenizer() const override { return tokenizer_ ? &*tokenizer_ : nullptr; }
  std::int64_t hidden_layer() const override { return hidden_layer_; }
  ExitCode Run(const JobContext& place) override;
  ExitCode ReportFinished() const override;

 protected:
  // For jobs that make their lines themselves and use the records: what the user calls a line, and
  // where the records go.
  virtual std::string_view unit() const { return "lines"; }
  virtual std::unique_ptr<RecordSink> OpenRecords() { return OpenSink(Sink()); }
  // Some of so many lines could not be used. The first error may be unknown.
  virtual void ReportErrors(const FinishedJob& job, const std::string& first) const;

 private:
  // Whether the output is a file, so that the job can go on later.
  bool KeepsJournal() const;
  bool KnowsFormat() const;
  Task task() const;
  void OpenTokenizerIfAny(const ModelFiles& model);
  // Where a line without an answer ends the whole job, that is said before anything is computed.
  void CheckLines() const;
  SinkParts Sink() const;
  void LookForEarlierRuns();
  BatchCoordinator OpenHub(const JobContext& place);
  void Work(EngineLoop& loop, WorkQueue& queue) const;
  ExitCode Help(const JobContext& place) const;
  void ReportStart(const BatchCoordinator& coordinator, int ranks) const;
  ExitCode ReportEnd(const BatchCoordinator& coordinator) const;

  const Arguments& arguments_;
  Options options_;  // with the model's defaults
  GenerationConfig generation_;
  AppliedDefaults defaults_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Error> no_tokenizer_;  // why there is none
  ModelSpec spec_;
  std::int64_t hidden_layer_ = 0;  // of vectors
  ChatSupport chat_;               // of generate
  InputSummary input_;
  JobIdentity identity_;
};

}  // namespace lockstep
