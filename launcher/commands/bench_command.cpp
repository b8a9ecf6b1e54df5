#include <algorithm>
#include <cstring>

#include "bench/bench_comm.h"
#include "bench/bench_report.h"
#include "bench/phase_progress.h"
#include "bench/result_about.h"
#include "bench/roofline.h"
#include "core/activity.h"
#include "core/log.h"
#include "launcher/commands/commands.h"
#include "layers/kv_cache.h"
#include "runtime/auto_format.h"
#include "runtime/load_model.h"
#include "runtime/rank_alike.h"
#include "runtime/standard_streams.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// Everybody's number on rank 0, in rank order.
std::vector<double> GatherNumbers(Communicator& comm, double mine) {
  std::vector<double> numbers;
  for (const auto& bytes : comm.Gather(std::as_bytes(std::span<const double, 1>(&mine, 1)))) {
    LOCKSTEP_CHECK(bytes.size() == sizeof(double), "{} bytes", bytes.size());
    std::memcpy(&numbers.emplace_back(), bytes.data(), sizeof(double));
  }
  return numbers;
}

ElementBytes BytesOf(const Options& options, const ModelFiles& model) {
  constexpr std::int64_t kElements = 1 << 20;
  const std::int64_t d_head = model.spec.d_head();
  const DType cache = options.model.kv_dtype(model.format);
  return {.matrices = static_cast<double>(MatrixBytes(model.format, kElements)) / kElements,
          .cache = static_cast<double>(KvCache::BytesPerHead(d_head, cache)) /
                   static_cast<double>(d_head)};
}

// What the products of this format are made of.
PeakKind PeakKindOf(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32: return PeakKind::kFp32;
    case WeightFormat::kBF16:
    case WeightFormat::kF16:
    case WeightFormat::kF8: return PeakKind::kBf16;  // of GPUs alone
    case WeightFormat::kInt8:
    case WeightFormat::kInt4: break;  // multiplied as int8
  }
  return PeakKind::kInt8;
}

// A ceiling while one case ran, in bytes or operations a second.
struct RateOf {
  const CeilingName* name;
  double rate;
};

std::vector<RateOf> Between(const std::vector<CeilingName>& names,
                            const std::vector<double>& before, const std::vector<double>& after) {
  std::vector<RateOf> rates;
  for (std::size_t i = 0; i < names.size(); ++i)
    rates.push_back({&names[i], 1e9 * 0.5 * (before[i] + after[i])});
  return rates;
}

// Of the memory, and of each unit that could do the work: fp32's where none knows the format.
void AddShares(CaseReport& report, const std::vector<RateOf>& machine, double seconds,
               PeakKind kind) {
  const auto is_kind = [&](const RateOf& one) {
    return !one.name->memory && one.name->kind == kind;
  };
  const bool known = std::any_of(machine.begin(), machine.end(), is_kind);
  if (!known) kind = PeakKind::kFp32;
  const double bytes = report.cost.weight_bytes + report.cost.cache_bytes;
  const double operations = 2.0 * report.cost.multiply_adds;
  std::size_t next = 0;
  for (const RateOf& one : machine) {
    if (!one.name->memory && !is_kind(one)) continue;
    if (next == report.shares.size()) report.shares.push_back({one.name->name, {}});
    const double work = one.name->memory ? bytes : operations;
    report.shares[next++].samples.push_back(work / seconds / one.rate);
  }
}

// The benchmark on one rank. All ranks go through the same rounds; within a case rank 0 leads and
// the others work, as in any other command.
class Bench {
 public:
  Bench(const Arguments& arguments, std::span<const std::string> given, Communicator& comm)
      : arguments_(arguments),
        given_(given),
        comm_(comm),
        grid_(FormGrid(comm, arguments.options.parallel)),
        progress_(ProgressOfPhases(comm.rank(), arguments.verbosity)) {}

  ExitCode Run() {
    Check();
    Load();
    const Activity doing("measuring");
    Prepare();
    for (std::size_t index = 0; index < cases_.size(); ++index) RunOnce(0, index);
    report_.weight_bytes = GatherNumbers(comm_, rank_.weight_bytes);
    // Before the ceilings take memory of their own.
    report_.peak_memory_bytes = GatherNumbers(comm_, PeakMemoryBytes());
    MeasureRounds();
    progress_.Clear();
    if (comm_.rank() == 0) Print();
    return ExitCode::kOk;
  }

 private:
  const EngineLimits& limits() const { return arguments_.options.engine; }
  // Before the device is known: as few as it may be, which takes most of the cache.
  std::int64_t step_tokens() const { return limits().step_tokens(rank_.device.on_gpu()); }

  void Check() {
    Agree(comm_, "reading the model's configuration", [&] {
      model_ = OpenModel(arguments_);
      plan_.emplace(model_.spec, grid_.shape().tensor, grid_.shape().pipeline);
      cases_ = CasesOf(arguments_.bench, model_.spec.context_tokens);
      CheckCases(cases_, step_tokens(), model_.spec);
    });
    AgreeOnFormat(arguments_.options, model_, comm_);
    CompareModels(arguments_, model_, grid_);
  }

  void Load() {
    std::int64_t pages = 0;
    for (const BenchCase& one : cases_) pages = std::max(pages, CachePagesOf(one, step_tokens()));
    Arguments arguments = arguments_;
    for (const BenchCase& one : cases_)
      arguments.options.engine.max_sequences = std::max(limits().max_sequences, one.sequences);
    rank_ = LoadModel(arguments, model_, pages, grid_);
  }

  void Prepare() {
    const Options& options = arguments_.options;
    const std::string& path = options.model.path;
    report_ = {.kind = arguments_.bench.kind,
               .model = path.empty() ? arguments_.config_file : path,
               .weights = model_.random_seed ? "random" : "checkpoint",
               .dtype = std::string(Name(model_.format)),
               .ranks = comm_.size(),
               .stages = grid_.shape().pipeline,
               .threads = rank_.threads,
               .ceilings = {},
               .cases = {},
               .weight_bytes = {},
               .peak_memory_bytes = {}};
    report_.about = AboutResult(given_, rank_.device.sums != nullptr ? "cuda" : "cpu");
    for (const BenchCase& one : cases_) report_.cases.emplace_back().what = one;
  }

  // What the machine can do is measured before and after every case, because it may be another
  // machine a few seconds later: neighbours come and go, virtual cores move.
  void MeasureRounds() {
    const bool on_device = rank_.device.sums != nullptr;
    const std::unique_ptr<CeilingMeter> machine =
        on_device ? MeterOfDevices(comm_, CudaModule(), rank_.device.backend)
                  : MeterOfThreads(comm_, {.threads = rank_.threads, .memory_bytes = MeterBytes()});
    CeilingMeter& meter = *machine;
    // Of devices bf16's peak alone is measured: int8 and int4 are multiplied as bf16, and fp8 is,
    // too, on Hopper.
    kind_ = on_device ? PeakKind::kBf16 : PeakKindOf(model_.format);
    for (const CeilingName& name : meter.names())
      report_.ceilings.push_back({.name = name.name, .unit = name.unit, .samples = {}});
    const auto measure_machine = [&](std::int64_t round) {
      progress_.Show([&] {
        return fmt::format("round {} of {}: what the machine can do", round,
                           arguments_.bench.rounds);
      });
      return meter.Measure();
    };
    std::vector<double> before = measure_machine(1);
    Keep(before);
    for (std::int64_t round = 1; round <= arguments_.bench.rounds; ++round)
      for (std::size_t index = 0; index < cases_.size(); ++index) {
        const CaseSample sample = RunOnce(round, index);
        std::vector<double> after = measure_machine(round);
        Keep(after);
        if (comm_.rank() == 0)
          Count(sample, Between(meter.names(), before, after), report_.cases[index]);
        before = std::move(after);
      }
  }

  // As much as a step reads, within reason.
  std::size_t MeterBytes() const {
    constexpr double kLeast = 64e6;
    constexpr double kMost = 512e6;
    return static_cast<std::size_t>(std::clamp(rank_.weight_bytes, kLeast, kMost));
  }

  void Keep(const std::vector<double>& rates) {
    for (std::size_t i = 0; i < rates.size(); ++i) report_.ceilings[i].samples.push_back(rates[i]);
  }

  // Round 0 warms up and is not counted.
  CaseSample RunOnce(std::int64_t round, std::size_t index) {
    progress_.Show([&] { return PhaseText(round, index); });
    if (comm_.rank() != 0) {
      RunWorker(*rank_.decoder, {grid_.copy(), grid_.tensor()});
      return {};
    }
    const BenchCase& one = cases_[index];
    Engine engine(*rank_.decoder, {grid_.copy(), grid_.tensor()},
                  {.max_sequences = one.sequences, .max_step_tokens = step_tokens()});
    const auto seed = static_cast<std::uint64_t>(round) * cases_.size() + index;
    const CaseSample sample = RunCase(engine, {.what = one,
                                               .vocab_rows = model_.spec.vocab_rows,
                                               .max_step_tokens = step_tokens(),
                                               .stages = grid_.shape().pipeline,
                                               .sampling = arguments_.options.sampling.params,
                                               .seed = seed});
    engine.Shutdown();
    return sample;
  }

  std::string PhaseText(std::int64_t round, std::size_t index) const {
    const BenchCase& one = cases_[index];
    const std::string phase =
        round == 0 ? "warming up" : fmt::format("round {} of {}", round, arguments_.bench.rounds);
    std::string text = fmt::format("{}, case {} of {}: batch {}, prompt {}", phase, index + 1,
                                   cases_.size(), one.sequences, one.prompt_tokens);
    if (one.new_tokens > 0) text += fmt::format(", {} new", one.new_tokens);
    return text;
  }

  void Count(const CaseSample& sample, const std::vector<RateOf>& machine,
             CaseReport& report) const {
    report.tokens_per_second.push_back(static_cast<double>(sample.tokens) / sample.seconds);
    report.tokens = sample.tokens;
    report.cost = {};
    for (const std::vector<StepTokens>& step : sample.work)
      report.cost += CostOfStep(*plan_, BytesOf(arguments_.options, model_), step);
    AddShares(report, machine, sample.seconds, kind_);
  }

  void Print() const {
    const bool json = arguments_.report_format == ReportFormat::kJson;
    WriteStandardOutput(json ? BenchJson(report_) : BenchText(report_));
  }

  const Arguments& arguments_;
  const std::span<const std::string> given_;
  Communicator& comm_;
  const ProcessGrid grid_;
  ProgressLine progress_;
  std::vector<BenchCase> cases_;
  ModelFiles model_;
  std::optional<ShardPlan> plan_;
  LoadedModel rank_;
  PeakKind kind_ = PeakKind::kFp32;  // what the model's products are made of
  BenchReport report_;
};

}  // namespace

int RunBench(const Arguments& arguments, std::span<const std::string> arguments_given) {
  if (arguments.bench.kind == BenchKind::kComm) return RunCommBench(arguments, arguments_given);
  RankProgram program;
  program.check = [&](int ranks) {
    const ModelFiles model = OpenModel(arguments);
    const ShardPlan plan(model.spec, ranks, static_cast<int>(arguments.options.parallel.pp));
    CheckCases(CasesOf(arguments.bench, model.spec.context_tokens),
               arguments.options.engine.step_tokens(false), model.spec);
  };
  program.run = [&](Communicator& comm) { return Bench(arguments, arguments_given, comm).Run(); };
  return RunOnRanks(arguments, arguments_given, program);
}

}  // namespace lockstep
