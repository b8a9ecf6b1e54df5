#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "comm/groups/process_grid.h"
#include "comm/messenger.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"
#include "serving/engine_loop.h"
#include "serving/weight_exchange.h"

namespace lockstep {

// Where the first rank of a group works.
struct JobContext {
  EngineLoop& loop;  // to be run once, by the job
  const ProcessGrid& grid;
  WeightExchange& weights;  // of this group; for the loop's thread
  Messenger* messenger;     // between the first ranks of groups; null where there is one group
};

// What an earlier run of a job has done already.
struct FinishedJob {
  std::int64_t lines = 0;
  std::int64_t errors = 0;  // of the lines, those that could not be used
};

// What a command does with a model, without the ranks: those are RunModelJob()'s. All of it
// happens on rank 0, and Prepare() before that also in the process that starts the ranks. Where
// groups share the work (--dp) the first ranks of the others call PrepareHelper() and Run().
class ModelJob {
 public:
  virtual ~ModelJob() = default;

  // Before Prepare(): how many ranks add up their parts of a sum (--tp).
  void set_group_size(int ranks) { group_size_ = ranks; }

  // Reads and checks everything that can be wrong with the input, so that it is said before any
  // rank starts and any weight is read. Throws BadInput or EnvironmentError.
  virtual void Prepare(const ModelFiles& model) = 0;

  // The same for a group that has neither input nor output of its own.
  virtual void PrepareHelper(const ModelFiles& model) { Prepare(model); }

  // After Prepare(): the output, where the same job has made it already; then nothing is to be
  // done.
  const std::optional<FinishedJob>& finished() const { return finished_; }
  // Tells the user so, and returns the exit code.
  virtual ExitCode ReportFinished() const { return ExitCode::kOk; }

  // After Prepare(): KV cache pages that the work needs, if it is known (else as memory allows),
  // and ids that may be sampled.
  virtual std::optional<std::int64_t> cache_pages() const = 0;
  virtual std::int64_t sampled_vocab() const = 0;
  virtual const Tokenizer* tokenizer() const = 0;  // null: there is none
  virtual std::int64_t most_requests() const { return EngineLoop::kAnyNumber; }  // of the loop
  virtual std::int64_t hidden_layer() const { return 0; }  // see EngineOptions
  // Whether people see the tokens come, so that a step must not take long.
  virtual bool is_watched() const { return false; }

  // The work. Returns the exit code: 0, or that of an interrupt.
  virtual ExitCode Run(const JobContext& place) = 0;

 protected:
  int group_size() const { return group_size_; }
  void set_finished(const std::optional<FinishedJob>& finished) { finished_ = finished; }

 private:
  int group_size_ = 1;
  std::optional<FinishedJob> finished_;
};

// Brings the model up on the ranks that --tp, --pp and --dp ask for or mpirun has started, runs the
// job and returns the process's exit code. arguments_given is the command line, for the ranks to
// repeat.
int RunModelJob(const Arguments& arguments, std::span<const std::string> arguments_given,
                ModelJob& job);

// Whether a person wants to see how it went: with --verbose, or on this process's own terminal
// without --quiet.
bool ShowsStatistics(Verbosity verbosity);

}  // namespace lockstep
