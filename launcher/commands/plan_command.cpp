#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "bench/result_files.h"
#include "core/files/file.h"
#include "core/log.h"
#include "core/memory_pools.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/plan_report.h"
#include "planning/machine/machine_yaml.h"
#include "planning/report/fit_page.h"
#include "planning/report/fit_report.h"
#include "planning/report/forecast_report.h"
#include "planning/report/goal_report.h"
#include "planning/report/simulation_report.h"
#include "runtime/auto_format.h"
#include "runtime/model_files.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

// Everything that `plan` may be asked about one model.
class Planner {
 public:
  Planner(const Arguments& arguments, const PlanOptions& asked)
      : arguments_(arguments),
        options_(arguments.options),
        asked_(asked),
        spec_(ReadSpec(arguments)),
        shards_(spec_, static_cast<int>(options_.parallel.tp.value_or(1)),
                static_cast<int>(options_.parallel.pp)),
        format_(FormatAsked()) {}

  void Run() {
    if (!asked_.results.empty()) return Fit();
    if (!asked_.goal.empty()) return AnswerGoal();
    if (asked_.simulate) return Simulated();
    if (asked_.asks_for_times()) return Forecast();
    if (json()) return Write(Object());
    Write(PlanTable(Division()) + "\n" + HereText(Here()));
  }

 private:
  bool json() const { return arguments_.report_format == ReportFormat::kJson; }
  void Write(const std::string& text) const { WriteStandardOutput(text); }
  void Write(const nlohmann::ordered_json& object) const { WriteStandardOutput(PlanJson(object)); }

  std::string model() const {
    return options_.model.path.empty() ? arguments_.config_file : options_.model.path;
  }

  FormatDecision DecideFor(std::optional<DType> stored, int ranks) const {
    if (asked_.machine.empty() || asked_.machine == kThisHost)
      return FormatHere(options_, stored, ranks);
    const Machine machine = FindMachine(asked_.machine);
    const PerFormat& rates = machine.arithmetic;
    return DecideFormat({.stored = stored,
                         .on_gpus = machine.kind == MachineKind::kGpu,
                         .multiplies_bf16 = rates[WeightFormat::kBF16] > rates[WeightFormat::kF32],
                         .cache_dtype = options_.model.cache_dtype,
                         .ranks = ranks});
  }

  // As the program would choose it on the machine that is asked about.
  WeightFormat FormatAsked() const {
    if (!options_.model.dtype.is_auto()) return *options_.model.dtype.format;
    const auto ranks = static_cast<int>(options_.parallel.tp.value_or(1) * options_.parallel.pp *
                                        options_.parallel.dp);
    const auto stored = ReadStoredDType(arguments_);
    const FormatDecision decision = DecideFor(stored, ranks);
    // Elsewhere every format is looked at, or that of a result.
    if (asked_.goal.empty() && asked_.results.empty())
      WriteLog(LogLevel::kInfo, FormatText(decision));
    return decision.format;
  }

  Layout LayoutAsked() const {
    return {.tp = options_.parallel.tp.value_or(1),
            .pp = options_.parallel.pp,
            .dp = options_.parallel.dp,
            .threads = options_.parallel.threads,
            .format = format_,
            .cache_dtype = options_.model.kv_dtype(format_)};
  }

  // As long as nobody has said, of a model with a short context half of it each.
  TextLoad WorkloadAsked() const {
    const std::int64_t usual =
        std::clamp<std::int64_t>(spec_.context_tokens / 2, 1, PlanOptions::kUsualTokens);
    return {.texts = asked_.batch.value_or(PlanOptions::kUsualTexts),
            .prompt_tokens = asked_.prompt_tokens.value_or(usual),
            .new_tokens = asked_.new_tokens.value_or(usual)};
  }

  Machine MachineAsked() const {
    return asked_.machine.empty() ? HostMachine() : FindMachine(asked_.machine);
  }

  PlanReport Division() const {
    return {shards_, model(), format_, options_.model.kv_dtype(format_)};
  }

  // With the cache of the texts that are asked about, or of one context.
  FitHere Here() const {
    const TextLoad workload = WorkloadAsked();
    const Layout layout = LayoutAsked();
    const std::int64_t texts = (workload.texts + layout.dp - 1) / layout.dp;
    return FitsHere({.spec = spec_,
                     .layout = layout,
                     .limits = options_.engine,
                     .cache_tokens = asked_.asks_for_times() ? texts * workload.tokens_of_text()
                                                             : spec_.context_tokens},
                    MemoryPools());
  }

  nlohmann::ordered_json Object() const {
    nlohmann::ordered_json object = PlanObject(Division());
    object["here"] = HereJson(Here());
    return object;
  }

  void Forecast() {
    const Machine machine = MachineAsked();
    const Prediction prediction = Predict(
        {.spec = spec_, .machine = machine, .workload = WorkloadAsked(), .limits = options_.engine},
        LayoutAsked());
    const FitHere here = Here();
    const bool is_here = asked_.machine.empty() || asked_.machine == kThisHost;
    const ForecastReport report{model(), machine, prediction, is_here ? &here : nullptr};
    if (!json()) return Write(ForecastText(report));
    nlohmann::ordered_json object = Object();
    object["forecast"] = ForecastJson(report);
    Write(object);
  }

  // By whatever flag: --tp, one of its synonyms, or --set.
  bool IsOnCommandLine(std::string_view key) const {
    const auto found = options_.stated.find(key);
    return found != options_.stated.end() && found->second.starts_with("--");
  }

  // Formats, ranks and cores are searched unless the command line names them: a configuration
  // always does.
  void AnswerGoal() {
    const Machine machine = MachineAsked();
    const TextLoad workload = WorkloadAsked();
    GoalSearch search{.spec = spec_,
                      .machine = machine,
                      .goal = ParseGoal(asked_.goal),
                      .prompt_tokens = workload.prompt_tokens,
                      .new_tokens = workload.new_tokens,
                      .limits = options_.engine,
                      .format = {},
                      .tp = {},
                      .pp = {},
                      .threads = {}};
    if (IsOnCommandLine("model.dtype")) search.format = options_.model.dtype.format;
    if (IsOnCommandLine("parallel.tp")) search.tp = options_.parallel.tp;
    if (IsOnCommandLine("parallel.pp")) search.pp = options_.parallel.pp;
    if (IsOnCommandLine("parallel.threads") && options_.parallel.threads > 0)
      search.threads = options_.parallel.threads;
    const GoalAnswer answer = Search(search);
    if (!json()) return Write(GoalText(model(), search, answer));
    Write(GoalJson(search, answer));
  }

  void Fit() {
    CheckResultFiles(std::array{asked_.calibrated, asked_.html_file}, asked_.results);
    const Machine machine = MachineAsked();
    Measurements measurements;
    for (const std::string& file : asked_.results)
      AddResult(ParseJson(ReadStream(file), file), file,
                {.model = model(),
                 .max_step_tokens = options_.engine.step_tokens(machine.kind == MachineKind::kGpu),
                 .cache_dtype = options_.model.cache_dtype},
                measurements);
    const Calibration calibration = Calibrate(spec_, machine, measurements);
    WriteResult(asked_.calibrated, PrintMachine(calibration.machine, Origin(machine)));
    if (!asked_.calibrated.empty())
      WriteLog(LogLevel::kInfo,
               fmt::format("wrote {0}: use it with --machine {0}", asked_.calibrated));
    if (!asked_.html_file.empty())
      WriteResult(asked_.html_file, FitHtml(model(), machine, calibration));
    if (json()) return Write(FitJson(machine, calibration));
    Write(FitText(model(), machine, calibration));
  }

  void Simulated() {
    const Machine machine = MachineAsked();
    const PlanQuestion question{
        .spec = spec_, .machine = machine, .workload = WorkloadAsked(), .limits = options_.engine};
    const Layout layout = LayoutAsked();
    const Arrivals arrivals{.requests = *asked_.simulate,
                            .per_second = asked_.rate,
                            .seed = options_.sampling.params.seed};
    const Simulation simulation = Simulate(question, layout, arrivals);
    const SimulationReport report{model(), question, layout, arrivals, simulation};
    if (!json()) return Write(SimulationText(report));
    Write(SimulationJson(report));
  }

  std::string Origin(const Machine& machine) const {
    return fmt::format("{}, fitted to {} by lockstep plan --fit.", machine.title,
                       fmt::join(asked_.results, ", "));
  }

  const Arguments& arguments_;
  const Options& options_;
  const PlanOptions& asked_;
  ModelSpec spec_;
  ShardPlan shards_;
  WeightFormat format_;
};

}  // namespace

int RunPlan(const Arguments& arguments, const PlanOptions& asked) {
  Planner(arguments, asked).Run();
  return 0;
}

}  // namespace lockstep
