#include "bench/scaling/scaling_turn.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "bench/bench_cases.h"
#include "bench/bench_report.h"
#include "bench/phase_progress.h"
#include "bench/result_about.h"
#include "bench/scaling/scaling_files.h"
#include "bench/scaling/scaling_result.h"
#include "bench/scaling/step_log.h"
#include "core/activity.h"
#include "core/error.h"
#include "partition/plan/shard_plan.h"
#include "runtime/auto_format.h"
#include "runtime/load_model.h"
#include "runtime/placement/thread_share.h"
#include "runtime/rank_alike.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

BenchCase CaseOf(const ScalingKey& key) {
  return {
      .sequences = key.sequences, .prompt_tokens = key.prompt_tokens, .new_tokens = key.new_tokens};
}

std::vector<BenchCase> CasesOf(const std::vector<ScalingKey>& keys) {
  std::vector<BenchCase> cases;
  for (const ScalingKey& key : keys) cases.push_back(CaseOf(key));
  return cases;
}

void CheckWorld(const ScalingOptions& options, int ranks) {
  if (!options.stages.empty())
    throw BadInput(
        "bench scaling: --stages in a world of {} that has been started already, which is cut "
        "once; give --pp",
        Counted(ranks, "rank"));
  if (!options.dtypes.empty())
    throw BadInput(
        "bench scaling: --dtypes in a world of {} that has been started already, which loads its "
        "weights once; give --dtype",
        Counted(ranks, "rank"));
  if (options.ranks.empty() || options.ranks == std::vector<std::int64_t>{ranks}) return;
  throw BadInput(
      "bench scaling: --ranks asks for {} in a world of {} that has been started "
      "already; leave it out: this world is measured as it is",
      Counted(std::ssize(options.ranks), "rank count"), ranks);
}

// All ranks go through the same points; within one rank 0 leads and the others work.
class Turn {
 public:
  Turn(const Arguments& arguments, std::span<const std::string> given, Communicator& comm)
      : arguments_(arguments),
        given_(given),
        comm_(comm),
        grid_(FormGrid(comm, arguments.options.parallel)),
        ranks_(grid_.copy(), grid_.tensor()),
        progress_(ProgressOfPhases(comm.rank(), arguments.verbosity)) {}

  ExitCode Run() {
    Check();
    Load();
    Prepare();
    const Activity doing("measuring");
    FinishStepsOnInterrupt();
    const PhaseWatch watch(log_);
    for (std::int64_t round = 0; round <= arguments_.scaling.rounds; ++round)
      for (std::size_t index = 0; index < keys_.size(); ++index) {
        if (!GoesOn()) return Tell(ExitCode::kInterrupted);
        MeasureOnce(round, index);
      }
    return Tell(ExitCode::kOk);
  }

 private:
  const EngineLimits& limits() const { return arguments_.options.engine; }
  // Before the device is known: as few as it may be, which takes most of the cache.
  std::int64_t step_tokens() const { return limits().step_tokens(rank_.device.on_gpu()); }

  void Check() {
    Agree(comm_, "reading the model's configuration", [&] {
      CheckWorld(arguments_.scaling, comm_.size());
      if (comm_.rank() == 0) CheckScalingFiles(arguments_.scaling);
      model_ = OpenModel(arguments_);
      ShardPlan(model_.spec, grid_.shape().tensor, grid_.shape().pipeline);
    });
    AgreeOnFormat(arguments_.options, model_, comm_);
    keys_ = ScalingPointsOf(arguments_.scaling, {.ranks = comm_.size(),
                                                 .stages = grid_.shape().pipeline,
                                                 .dtype = std::string(Name(model_.format))});
    Agree(comm_, "reading what is to be measured",
          [&] { CheckCases(CasesOf(keys_), step_tokens(), model_.spec); });
    CompareModels(arguments_, model_, grid_);
  }

  void Load() {
    // Before this rank is bound to its share.
    share_ = CpuShare(comm_, GroupCpuLimits());
    Arguments arguments = arguments_;
    std::int64_t pages = 0;
    for (const BenchCase& one : CasesOf(keys_)) {
      pages = std::max(pages, CachePagesOf(one, step_tokens()));
      std::int64_t& most = arguments.options.engine.max_sequences;
      most = std::max(most, one.sequences);
    }
    rank_ = LoadModel(arguments, model_, pages, grid_);
  }

  void Prepare() {
    const bool on_device = rank_.device.sums != nullptr;
    const std::string& path = arguments_.options.model.path;
    result_.about = AboutResult(given_, on_device ? "cuda" : "cpu");
    result_.model = path.empty() ? arguments_.config_file : path;
    result_.weights = model_.random_seed ? "random" : "checkpoint";
    result_.options = arguments_.scaling;
    for (const ScalingKey& key : keys_) {
      ScalingPoint& point = points_.emplace_back();
      point.key = key;
      point.threads = rank_.threads;
      point.is_oversubscribed = !on_device && rank_.threads > ThreadsOf(share_);
    }
    // One thread is on one core even where its share is less.
    if (!on_device && share_ < 1.0 - 1e-6)
      for (ScalingPoint& point : points_) point.is_oversubscribed = true;
  }

  // Rank 0 has heard of an interrupt; all leave at the same point.
  bool GoesOn() {
    ControlPlane::Bytes stop(comm_.rank() == 0 && InterruptRequested() ? std::size_t{1}
                                                                       : std::size_t{0});
    comm_.Broadcast(stop);
    result_.is_interrupted = !stop.empty();
    return stop.empty();
  }

  // Round 0 warms up and is not counted.
  void MeasureOnce(std::int64_t round, std::size_t index) {
    Show(round, index);
    log_.Clear();
    std::optional<WholeSample> sample;
    if (comm_.rank() == 0)
      sample = Lead(round, index);
    else
      RunWorker(*rank_.decoder, ranks_);
    const std::vector<ControlPlane::Bytes> logs = comm_.Gather(log_.bytes());
    if (sample && round > 0) Count(*sample, logs, points_[index]);
  }

  WholeSample Lead(std::int64_t round, std::size_t index) {
    const BenchCase what = CaseOf(keys_[index]);
    Engine engine(*rank_.decoder, ranks_,
                  {.max_sequences = what.sequences, .max_step_tokens = step_tokens()});
    const WholeSample sample =
        RunWholeCase(engine, {.what = what,
                              .vocab_rows = model_.spec.vocab_rows,
                              .max_step_tokens = step_tokens(),
                              .stages = grid_.shape().pipeline,
                              .sampling = arguments_.options.sampling.params,
                              .seed = static_cast<std::uint64_t>(round) * keys_.size() + index});
    engine.Shutdown();
    return sample;
  }

  void Count(const WholeSample& sample, const std::vector<ControlPlane::Bytes>& logs,
             ScalingPoint& point) const {
    CountStage(sample.prompts, 1, logs, point.prefill);
    CountStage(sample.tokens, 1 + sample.prompts.steps, logs, point.decode);
  }

  // first: the number of its first step.
  void CountStage(const CaseSample& sample, std::int64_t first,
                  const std::vector<ControlPlane::Bytes>& logs, ScalingStage& stage) const {
    ScalingStage round{
        .tokens = sample.tokens, .steps = sample.steps, .seconds = {sample.seconds}, .ranks = {}};
    if (rank_.decoder->has_phases())
      for (const ControlPlane::Bytes& bytes : logs)
        round.ranks.push_back(SplitOf(StepsFrom(bytes), first, sample.steps));
    AddRounds(stage, round);
  }

  void Show(std::int64_t round, std::size_t index) {
    const char* turn = std::getenv(kScalingTurnVariable);
    const ScalingKey& key = keys_[index];
    const std::string which = turn != nullptr
                                  ? std::string(turn)
                                  : fmt::format("round {} of {}", std::max<std::int64_t>(round, 1),
                                                arguments_.scaling.rounds);
    progress_.Show([&] {
      return fmt::format("{}{}, {}, {}, point {} of {}: batch {}, prompt {}, {} new tokens",
                         round == 0 ? "warming up for " : "", which,
                         RanksText(key.ranks, key.stages), key.dtype, index + 1, keys_.size(),
                         key.sequences, key.prompt_tokens, key.new_tokens);
    });
  }

  ExitCode Tell(ExitCode code) {
    progress_.Clear();
    if (comm_.rank() != 0) return code;
    for (ScalingPoint& point : points_)
      if (!point.decode.seconds.empty()) result_.points.push_back(std::move(point));
    WriteScaling(result_);
    return code;
  }

  const Arguments& arguments_;
  const std::span<const std::string> given_;
  Communicator& comm_;
  const ProcessGrid grid_;
  const EngineRanks ranks_;
  std::vector<ScalingKey> keys_;
  ProgressLine progress_;
  ModelFiles model_;
  LoadedModel rank_;
  double share_ = 1.0;  // of the cores
  StepLog log_;
  std::vector<ScalingPoint> points_;  // as keys_
  ScalingResult result_;
};

}  // namespace

int RunScalingTurn(const Arguments& arguments, std::span<const std::string> arguments_given) {
  RankProgram program;
  program.check = [](int) {};
  program.run = [&](Communicator& comm) { return Turn(arguments, arguments_given, comm).Run(); };
  return RunOnRanks(arguments, arguments_given, program);
}

}  // namespace lockstep
