#include "serving/model_series.h"

#include <cstring>
#include <optional>
#include <utility>

#include "core/activity.h"
#include "core/log.h"
#include "partition/plan/shard_plan.h"
#include "runtime/auto_format.h"
#include "runtime/load_model.h"
#include "runtime/other_weights.h"
#include "runtime/rank_alike.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// What someone who measures scaling wants of each rank.
void ReportMemory(const LoadedModel& rank) {
  WriteLog(LogLevel::kDebug,
           fmt::format("read {:.1f} MB of the checkpoint for {:.1f} MB of weights; peak memory "
                       "{:.1f} MB",
                       1e-6 * rank.read_bytes, 1e-6 * rank.weight_bytes, 1e-6 * PeakMemoryBytes()));
}

// Of a step in which texts are being written.
std::int64_t MixedStepTokens(const EngineLimits& limits, const ModelJob& job,
                             const RankDevice& device) {
  // A processor reads a prompt of 512 tokens of a large model in seconds, for which they would
  // rest.
  constexpr std::int64_t kOfProcessors = 128;
  return limits.mixed_step_tokens.value_or(job.is_watched() && !device.on_gpu() ? kOfProcessors
                                                                                : 0);
}

// Rank 0 checks the job as well, the first ranks of other groups their part of it; the others only
// need the model.
ModelFiles Check(const Arguments& arguments, ModelJob& job, const ProcessGrid& grid) {
  ModelFiles model;
  Agree(grid.world(), "reading the model's configuration", [&] {
    model = OpenModel(arguments);
    ShardPlan(model.spec, grid.shape().tensor, grid.shape().pipeline);
  });
  AgreeOnFormat(arguments.options, model, grid.world());
  Agree(grid.world(), "reading the input", [&] {
    job.set_group_size(grid.shape().tensor);
    if (grid.world().rank() == 0)
      job.Prepare(model);
    else if (grid.copy().rank() == 0)
      job.PrepareHelper(model);
  });
  CompareModels(arguments, model, grid);
  return model;
}

// Rank 0's number on every rank.
std::int64_t Share(ControlPlane& comm, std::int64_t number) {
  ControlPlane::Bytes bytes(sizeof(number));
  std::memcpy(bytes.data(), &number, sizeof(number));
  comm.Broadcast(bytes);
  LOCKSTEP_CHECK(bytes.size() == sizeof(number), "{} bytes", bytes.size());
  std::memcpy(&number, bytes.data(), sizeof(number));
  return number;
}

// Of one model of several, what the others need not end for.
bool IsItsOwn(ExitCode code) {
  return code == ExitCode::kBadInput || code == ExitCode::kEnvironment;
}

// One rank's way through the models.
class RankSeries {
 public:
  RankSeries(ModelSeries& series, Communicator& world) : series_(series), world_(world) {}

  ExitCode Run();

 private:
  ExitCode RunOne(const ModelRun& run);
  void BringUp(const ModelRun& run, const ModelFiles& model);
  bool Exchange(const Arguments& arguments, const ModelFiles& model);
  ExitCode Work(const ModelRun& run, const ModelFiles& model);

  ModelSeries& series_;
  Communicator& world_;
  std::optional<ProcessGrid> grid_;
  std::optional<LoadedModel> rank_;
  ModelSpec spec_;                            // of what the rank has
  WeightFormat format_ = WeightFormat::kF32;  // the same
};

ExitCode RankSeries::Run() {
  const std::size_t size = series_.size();
  for (std::size_t index = 0; index < size; ++index) {
    auto code = ExitCode::kOk;
    const bool last = index + 1 == size;
    try {
      code = RunOne(series_.Begin(index));
    } catch (const AgreedError& error) {
      if (size == 1 || !IsItsOwn(error.code())) throw;
      if (world_.rank() == 0) series_.LeaveOut(index, error);
      continue;
    }
    // Rank 0 knows how a job has ended, the others whether there is another.
    if (!last) code = static_cast<ExitCode>(Share(world_, static_cast<std::int64_t>(code)));
    if (code == ExitCode::kInterrupted) return code;
    if (world_.rank() == 0) series_.Done(index, code);
  }
  return world_.rank() == 0 ? series_.End() : ExitCode::kOk;
}

ExitCode RankSeries::RunOne(const ModelRun& run) {
  if (!grid_) grid_.emplace(FormGrid(world_, run.arguments->options.parallel));
  const ModelFiles model = Check(*run.arguments, *run.job, *grid_);
  if (Share(world_, run.job->finished() ? 1 : 0) != 0)
    return run.job->finished() ? run.job->ReportFinished() : ExitCode::kOk;
  BringUp(run, model);
  return Work(run, model);
}

void RankSeries::BringUp(const ModelRun& run, const ModelFiles& model) {
  const Arguments& arguments = *run.arguments;
  const bool alike = rank_ && model.format == format_ && WhyUnlike(model.spec, spec_).empty();
  if (alike && Exchange(arguments, model)) return;
  rank_.reset();
  constexpr std::int64_t kUnknown = -1;
  const std::int64_t asked =
      Share(world_, world_.rank() == 0 ? run.job->cache_pages().value_or(kUnknown) : 0);
  const auto pages = asked == kUnknown ? std::nullopt : std::optional(asked);
  rank_.emplace(LoadModel(arguments, model, pages, *grid_));
  spec_ = model.spec;
  format_ = model.format;
}

// Whether there was room for both; where there was not, it is the same on every rank.
bool RankSeries::Exchange(const Arguments& arguments, const ModelFiles& model) {
  try {
    WeightsBeside beside = LoadWeightsBeside(arguments, model, *grid_, *rank_);
    rank_->decoder->ExchangeWeights(std::move(beside.weights));
    rank_->read_bytes = beside.read_bytes;
    WriteLog(LogLevel::kDebug, "the weights took the place of those before");
    return true;
  } catch (const AgreedError& error) {
    if (error.code() != ExitCode::kEnvironment) throw;
    return false;
  }
}

ExitCode RankSeries::Work(const ModelRun& run, const ModelFiles& model) {
  const Arguments& arguments = *run.arguments;
  const ProcessGrid& grid = *grid_;
  LoadedModel& rank = *rank_;
  ModelJob& job = *run.job;
  // The messenger is opened together with the ranks that do not need it.
  const auto messenger = grid.shape().data > 1 ? OpenMessenger(world_) : nullptr;
  const Activity doing("generating");
  FinishStepsOnInterrupt();
  OtherWeights others(arguments, model, grid.OfCopy(), rank);
  const EngineRanks ranks(grid.copy(), grid.tensor());
  if (ranks.copy.rank() != 0) {
    RunWorker(*rank.decoder, ranks, [&](std::string_view words) { others.Obey(words); });
    ReportMemory(rank);
    return ExitCode::kOk;
  }
  const EngineLimits& limits = arguments.options.engine;
  Engine engine(*rank.decoder, ranks,
                {.max_sequences = limits.max_sequences,
                 .max_step_tokens = limits.step_tokens(rank.device.on_gpu()),
                 .mixed_step_tokens = MixedStepTokens(limits, job, rank.device),
                 .prefix_cache = limits.prefix_cache ? PrefixCache::kOn : PrefixCache::kOff,
                 .sampled_vocab = job.sampled_vocab(),
                 .end_tokens = model.generation.end_tokens,
                 .hidden_layer = job.hidden_layer()});
  EngineLoop loop(engine, job.tokenizer(), job.most_requests());
  WeightExchange weights(engine, others, job.tokenizer());
  const ExitCode code = job.Run({loop, grid, weights, messenger.get()});
  engine.Shutdown();
  ReportMemory(rank);
  return code;
}

// The process that starts the ranks looks at the models only until it has found one that there is
// work with, and says nothing: the ranks look for themselves. Where there is none it ends the
// command itself.
class SeriesBefore {
 public:
  explicit SeriesBefore(ModelSeries& series) : series_(series) {}

  void Check(int ranks) {
    ranks_ = ranks;
    for (std::size_t index = 0; index < series_.size() && !is_work_; ++index)
      is_work_ = Look(index) == Found::kWork;
  }

  std::optional<ExitCode> Done() {
    if (is_work_) return std::nullopt;
    for (std::size_t index = 0; index < series_.size(); ++index) {
      const Found found = Look(index);
      if (found == Found::kFault) series_.LeaveOut(index, *fault_);
      if (found == Found::kFinished) series_.Done(index, run_.job->ReportFinished());
      if (found == Found::kWork)
        throw EnvironmentError("model {}: what was done was taken away meanwhile; start again",
                               run_.arguments->options.model.path);
    }
    return series_.End();
  }

 private:
  enum class Found { kWork, kFinished, kFault };

  Found Look(std::size_t index) {
    if (looked_at_ != index) fault_ = Prepare(index);
    looked_at_ = index;
    if (fault_) return Found::kFault;
    return run_.job->finished() ? Found::kFinished : Found::kWork;
  }

  // Why the model cannot be used, if it cannot.
  std::optional<Error> Prepare(std::size_t index) {
    run_ = series_.Begin(index);
    try {
      const ModelFiles model = OpenModel(*run_.arguments);
      const auto stages = static_cast<int>(run_.arguments->options.parallel.pp);
      const ShardPlan plan(model.spec, ranks_, stages);
      run_.job->set_group_size(ranks_);
      run_.job->Prepare(model);
    } catch (const Error& error) {
      if (series_.size() == 1 || !IsItsOwn(error.code())) throw;
      return error;
    }
    return std::nullopt;
  }

  ModelSeries& series_;
  int ranks_ = 1;
  bool is_work_ = false;
  std::optional<std::size_t> looked_at_;  // last
  ModelRun run_ = {};                     // that one
  std::optional<Error> fault_;
};

}  // namespace

int RunModelSeries(ModelSeries& series, std::span<const std::string> arguments_given) {
  SeriesBefore before(series);
  RankProgram program;
  program.check = [&](int ranks) { before.Check(ranks); };
  program.done = [&] { return before.Done(); };
  program.run = [&](Communicator& world) { return RankSeries(series, world).Run(); };
  return RunOnRanks(series.arguments(), arguments_given, program);
}

}  // namespace lockstep
