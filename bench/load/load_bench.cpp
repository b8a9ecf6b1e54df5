#include "bench/load/load_bench.h"

#include <algorithm>
#include <cmath>

#include "bench/load/load_progress.h"
#include "core/error.h"

namespace lockstep {
namespace {

constexpr double kTrialSeconds = 20.0;       // of a trial of --find-rate at least, and
constexpr double kTrialLatencies = 8.0;      // so many times what a request takes, or may take
constexpr std::int64_t kTrialRequests = 20;  // in a trial at least
constexpr double kRateTolerance = 0.05;

[[noreturn]] void ThrowUnanswered(const RequestFailure& failure) {
  const std::string detail = failure.detail.empty() ? "" : ": " + failure.detail;
  const std::string message = fmt::format(
      "bench serve: a request before the measurement was not answered: {}{}", failure.kind, detail);
  if (failure.kind.starts_with("status 4")) throw BadInput("{}", message);
  throw EnvironmentError("{}", message);
}

}  // namespace

LoadBench::LoadBench(const Parts& parts) : parts_(parts), workload_(parts.options) {
  if (!parts.options.replay.empty()) replay_ = ReadReplay(parts.options.replay, workload_);
}

RequestRecord LoadBench::TryOne(const LoadRequest& request) {
  LoadRunner runner({.io = parts_.io,
                     .target = parts_.target,
                     .make = [&](std::int64_t) { return request; },
                     .stop = parts_.stop});
  LoadPlan plan;
  plan.requests = 1;
  RequestRecord record = std::move(runner.Run(plan).records.front());
  if (record.failure) ThrowUnanswered(*record.failure);
  return record;
}

// The first request shows whether there is anybody who answers. Its prompts are of a round of their
// own, which no other request has.
void LoadBench::Prepare() {
  constexpr std::int64_t kProbe = -1;
  const LoadOptions& options = parts_.options;
  if (options.prompt_form == PromptForm::kText && !replay_) {
    LoadRequest probe = workload_.Make(kProbe, kProbe);
    const auto words = std::count(probe.text.begin(), probe.text.end(), ' ');
    probe.output_tokens = 1;
    const RequestRecord record = TryOne(probe);
    if (!record.is_cancelled && record.prompt_tokens > 0 && words > 0)
      workload_.set_tokens_per_word(static_cast<double>(record.prompt_tokens) /
                                    static_cast<double>(words));
  }
  for (std::int64_t i = 0; i < options.warmup && !parts_.stop(); ++i)
    TryOne(replay_ ? replay_->requests.front() : workload_.Make(kProbe, i));
}

LoadPlan LoadBench::PlanOf(std::optional<double> rate, std::int64_t round) const {
  const LoadOptions& options = parts_.options;
  LoadPlan plan;
  plan.concurrency = options.concurrency;
  if (replay_) {
    plan.arrivals = replay_->arrivals;
    plan.requests = std::min(options.requests.value_or(plan.requests),
                             static_cast<std::int64_t>(plan.arrivals.size()));
    return plan;
  }
  if (options.requests)
    plan.requests = *options.requests;
  else if (!options.seconds)
    plan.requests = LoadOptions::kUsualRequests;
  if (!rate) {
    plan.seconds = options.seconds.value_or(plan.seconds);
    return plan;
  }
  if (options.seconds && !options.requests)
    plan.requests = std::max<std::int64_t>(std::llround(*rate * *options.seconds), 1);
  plan.arrivals = ArrivalTimes({.rate = *rate,
                                .burstiness = options.burstiness,
                                .count = plan.requests,
                                .seed = options.seed + static_cast<std::uint64_t>(round)});
  return plan;
}

LoadRun LoadBench::RunOnce(const LoadPlan& plan, std::int64_t round, const std::string& name) {
  LoadRunner runner({.io = parts_.io,
                     .target = parts_.target,
                     .make =
                         [&](std::int64_t index) {
                           return replay_ ? replay_->requests[static_cast<std::size_t>(index)]
                                          : workload_.Make(round, index);
                         },
                     .stop = parts_.stop,
                     .on_progress =
                         [&](const RunProgress& now) {
                           parts_.progress.Show([&] { return ProgressText(name, now); });
                         }});
  LoadRun run = runner.Run(plan);
  parts_.progress.Clear();
  return run;
}

void LoadBench::Measure(LoadReport& report) {
  const LoadOptions& options = parts_.options;
  Prepare();
  if (options.rate_search == RateSearchMode::kOn) {
    report.search = Search();
  } else {
    for (std::int64_t round = 0; round < options.rounds && !parts_.stop(); ++round) {
      const std::string name =
          options.rounds > 1 ? fmt::format("round {} of {}", round + 1, options.rounds) : "";
      const LoadRun run = RunOnce(PlanOf(options.rate, round), round, name);
      report.rounds.push_back(Summarize(run, options));
    }
  }
  report.is_interrupted = parts_.stop();
}

// At one rate, until it is clear whether enough requests meet the target. seconds: for which
// requests are sent, where the options do not say how many.
RateTrial LoadBench::TryRate(double rate, std::int64_t round, double seconds) {
  const LoadOptions& options = parts_.options;
  LoadPlan plan = PlanOf(rate, round);
  if (!options.requests) {
    plan.requests = std::max(std::llround(rate * seconds), static_cast<long long>(kTrialRequests));
    plan.arrivals = ArrivalTimes({.rate = rate,
                                  .burstiness = options.burstiness,
                                  .count = plan.requests,
                                  .seed = options.seed + static_cast<std::uint64_t>(round)});
  }
  const auto may_miss = static_cast<std::int64_t>(
      std::floor((1.0 - options.attainment) * static_cast<double>(plan.requests) + 1e-9));
  std::int64_t missed = 0;
  LoadRunner runner({.io = parts_.io,
                     .target = parts_.target,
                     .make = [&](std::int64_t index) { return workload_.Make(round, index); },
                     .stop = [&] { return missed > may_miss || parts_.stop(); },
                     .on_record =
                         [&](const RequestRecord& record) {
                           if (!record.is_cancelled && !Meets(record, options.target)) ++missed;
                         },
                     .on_progress =
                         [&](const RunProgress& now) {
                           parts_.progress.Show([&] {
                             return ProgressText(fmt::format("{:.3f} requests/s", rate), now);
                           });
                         }});
  RateTrial trial{.rate = rate, .summary = Summarize(runner.Run(plan), options)};
  parts_.progress.Clear();
  const bool is_short = IsTooShort(trial.summary);
  trial.trial = missed > may_miss ? Trial::kMissed : is_short ? Trial::kTooShort : Trial::kMet;
  return trial;
}

FoundRate LoadBench::Search() {
  const LoadOptions& options = parts_.options;
  FoundRate found;
  std::int64_t round = 0;
  // Of a request that is alone, which no rate can be below.
  const RequestRecord alone = TryOne(workload_.Make(round++, 0));
  found.seconds_alone = alone.latency;
  if (!Meets(alone, options.target)) return found;
  const double in_turn = 1.0 / std::max(alone.latency, 1e-3);
  // Loaded as much as is allowed, they are to be answered within a small part of the trial.
  const double longest = std::max(alone.latency, options.target.e2el.value_or(0.0));
  const double seconds =
      options.seconds.value_or(std::max(kTrialSeconds, kTrialLatencies * longest));
  const double first = options.rate.value_or(in_turn);
  RateSearch search(first, std::min(0.1 * in_turn, first / 16.0), kRateTolerance);
  for (auto rate = search.Next(); rate; rate = search.Next()) {
    RateTrial trial = TryRate(*rate, round++, seconds);
    if (parts_.stop()) break;
    search.Report(trial.trial);
    found.trials.push_back(std::move(trial));
  }
  found.is_interrupted = parts_.stop();
  found.met = search.met();
  found.missed = search.missed();
  found.is_open = search.is_open();
  return found;
}

}  // namespace lockstep
