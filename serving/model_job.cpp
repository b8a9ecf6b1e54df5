#include "serving/model_job.h"

#include <unistd.h>

#include <cstring>
#include <optional>

#include "core/activity.h"
#include "core/log.h"
#include "partition/plan/shard_plan.h"
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

ProcessGrid FormGrid(Communicator& world, int copies) {
  if (copies == 1) return ProcessGrid(world);
  std::optional<ProcessGrid> grid;
  Agree(world, "forming groups", [&] {
    grid.emplace(world, GridShape{.tensor = world.size() / copies, .pipeline = 1, .data = copies});
  });
  return *std::move(grid);
}

// Rank 0 checks the job as well, the first ranks of other groups their part of it; the others only
// need the model.
ModelFiles Check(const Arguments& arguments, ModelJob& job, const ProcessGrid& grid) {
  ModelFiles model;
  Agree(grid.world(), "reading the model's configuration and the input", [&] {
    model = OpenModel(arguments);
    ShardPlan(model.spec, grid.shape().tensor);
    job.set_group_size(grid.shape().tensor);
    if (grid.world().rank() == 0)
      job.Prepare(model);
    else if (grid.tensor().rank() == 0)
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

ExitCode RunOnRank(const Arguments& arguments, ModelJob& job, Communicator& world) {
  const ProcessGrid grid = FormGrid(world, static_cast<int>(arguments.options.parallel.dp));
  const ModelFiles model = Check(arguments, job, grid);
  if (Share(world, job.finished() ? 1 : 0) != 0)
    return job.finished() ? job.ReportFinished() : ExitCode::kOk;
  constexpr std::int64_t kUnknown = -1;
  const std::int64_t asked =
      Share(world, world.rank() == 0 ? job.cache_pages().value_or(kUnknown) : 0);
  const auto pages = asked == kUnknown ? std::nullopt : std::optional(asked);
  LoadedModel rank = LoadModel(arguments, model, pages, grid);
  // The messenger is opened together with the ranks that do not need it.
  const auto messenger = grid.shape().data > 1 ? OpenMessenger(world) : nullptr;
  const Activity doing("generating");
  FinishStepsOnInterrupt();
  OtherWeights others(arguments, model, grid.tensor(), rank);
  if (grid.tensor().rank() != 0) {
    RunWorker(*rank.decoder, grid.tensor(), [&](std::string_view words) { others.Obey(words); });
    ReportMemory(rank);
    return ExitCode::kOk;
  }
  const EngineLimits& limits = arguments.options.engine;
  Engine engine(*rank.decoder, grid.tensor(),
                {.max_sequences = limits.max_sequences,
                 .max_step_tokens = limits.max_step_tokens,
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

// Rank 0 knows how a job has ended, the others whether there is another.
ExitCode RunAllOnRank(std::span<const ModelRun> runs, Communicator& world,
                      const std::function<ExitCode()>& end) {
  for (const ModelRun& run : runs) {
    const ExitCode code = RunOnRank(*run.arguments, *run.job, world);
    const bool last = &run == &runs.back();
    if (last && (code != ExitCode::kOk || world.rank() != 0)) return code;
    if (!last && Share(world, static_cast<std::int64_t>(code)) != 0) return code;
  }
  return end();
}

}  // namespace

bool ShowsStatistics(Verbosity verbosity) {
  if (verbosity == Verbosity::kVerbose) return true;
  // Not for the ranks we start: their two outputs come by different ways, and the one that reports
  // would land in the middle of the text.
  return verbosity == Verbosity::kNormal && ::isatty(STDERR_FILENO) != 0;
}

int RunModelJobs(std::span<const ModelRun> runs, std::span<const std::string> arguments_given,
                 const std::function<ExitCode()>& end) {
  RankProgram program;
  program.check = [&](int ranks) {
    for (const auto& [arguments, job] : runs) {
      const ModelFiles model = OpenModel(*arguments);
      const ShardPlan plan(model.spec, ranks);
      job->set_group_size(ranks);
      job->Prepare(model);
    }
  };
  program.done = [&]() -> std::optional<ExitCode> {
    for (const ModelRun& run : runs)
      if (!run.job->finished()) return std::nullopt;
    for (const ModelRun& run : runs)
      if (const ExitCode code = run.job->ReportFinished(); code != ExitCode::kOk) return code;
    return end();
  };
  program.run = [&](Communicator& world) { return RunAllOnRank(runs, world, end); };
  return RunOnRanks(*runs.front().arguments, arguments_given, program);
}

int RunModelJob(const Arguments& arguments, std::span<const std::string> arguments_given,
                ModelJob& job) {
  const ModelRun run{&arguments, &job};
  return RunModelJobs({&run, 1}, arguments_given, [] { return ExitCode::kOk; });
}

}  // namespace lockstep
