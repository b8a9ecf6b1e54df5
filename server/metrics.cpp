#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;
using prometheus::Counter;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr const char* kPrefix = "lockstep:";

// Upper bounds of the buckets, in seconds: from a tick of a small model to minutes of a large one.
const Histogram::BucketBoundaries kFirstTokenBuckets{
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160};
const Histogram::BucketBoundaries kTokenBuckets{
    .001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20};
const Histogram::BucketBoundaries kRequestBuckets{.05, .1, .3, .5, .8, 1,  1.5, 2,   2.5, 5,
                                                  10,  15, 20, 30, 40, 50, 60,  120, 240, 480};
const Histogram::BucketBoundaries kLengthBuckets{1,   2,   5,   10,   20,   50,
                                                 100, 200, 500, 1000, 2000, 5000};

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// Metrics that somebody else counts.
class Families {
 public:
  explicit Families(std::string model) : model_(std::move(model)) {}

  void Gauge(const std::string& name, const std::string& help, double value) {
    Family(name, help, MetricType::Gauge).gauge.value = value;
  }
  void Count(const std::string& name, const std::string& help, std::int64_t value) {
    Family(name, help, MetricType::Counter).counter.value = static_cast<double>(value);
  }
  void Info(const std::string& name, const std::string& help, const std::string& label,
            const std::string& value) {
    prometheus::ClientMetric& metric = Family(name, help, MetricType::Gauge);
    metric.gauge.value = 1;
    metric.label.push_back({label, value});
  }
  // A sample for each group of ranks.
  template <typename ValueOf>
  void CountByGroup(const std::string& name, const std::string& help,
                    std::span<const GroupStatistics> groups, const ValueOf& value_of) {
    MetricFamily& family = NewFamily(name, help, MetricType::Counter);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      prometheus::ClientMetric& metric = NewMetric(family);
      metric.label.push_back({"group", std::to_string(i)});
      metric.counter.value = value_of(groups[i]);
    }
  }
  void StepSizes(const StepCounts& steps) {
    auto& histogram =
        Family("iteration_tokens_total", "Tokens of a step of the ranks.", MetricType::Histogram)
            .histogram;
    for (std::size_t i = 0; i < steps.by_tokens.size(); ++i) {
      histogram.sample_count += static_cast<std::uint64_t>(steps.by_tokens[i]);
      const bool is_last = i == StepCounts::kTokenBounds.size();
      const double bound = is_last ? std::numeric_limits<double>::infinity()
                                   : static_cast<double>(StepCounts::kTokenBounds[i]);
      histogram.bucket.push_back({histogram.sample_count, bound});
    }
    histogram.sample_sum = static_cast<double>(steps.tokens);
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  MetricFamily& NewFamily(const std::string& name, const std::string& help, MetricType type) {
    MetricFamily& family = families_.emplace_back();
    family.name = kPrefix + name;
    family.help = help;
    family.type = type;
    return family;
  }
  prometheus::ClientMetric& NewMetric(MetricFamily& family) const {
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    metric.label.push_back({"model_name", model_});
    return metric;
  }
  prometheus::ClientMetric& Family(const std::string& name, const std::string& help,
                                   MetricType type) {
    return NewMetric(NewFamily(name, help, type));
  }

  std::string model_;
  std::vector<MetricFamily> families_;
};

void AddStatistics(const LoopStatistics& now, Families& to) {
  const EngineStatus& engine = now.engine;
  const double pages = engine.pages == 0 ? 1.0 : static_cast<double>(engine.pages);
  to.Gauge("num_requests_running", "Requests that the engine has seen.",
           static_cast<double>(now.in_flight));
  to.Gauge("num_requests_waiting", "Requests that wait for the engine.",
           static_cast<double>(now.queued));
  to.Gauge("num_clients", "Clients with requests that run or wait.",
           static_cast<double>(now.clients));
  to.Gauge("kv_cache_usage_perc", "Pages of the KV cache that are in use; 1 is all.",
           static_cast<double>(engine.pages_used) / pages);
  to.Count("num_preemptions_total", "Texts that gave up their pages and are computed anew.",
           engine.counts.preemptions);
  to.Count("prefix_cache_queries_total", "Tokens of prompts that were looked up in the cache.",
           engine.counts.prefix_queries);
  to.Count("prefix_cache_hits_total", "Of these, tokens that were found.",
           engine.counts.prefix_hits);
  to.Count("requests_accepted_total", "Requests that were accepted.", now.accepted);
  to.Count("requests_refused_total", "Requests that found no room.", now.refused);
  to.Count("requests_completed_total", "Requests that were answered.", now.completed);
  to.Count("requests_failed_total", "Requests that ended with an error.", now.failed);
  to.Count("requests_cancelled_total", "Requests whose client has left.", now.cancelled);
  to.Gauge("groups_ready", "Groups of ranks that can answer.",
           static_cast<double>(now.groups_ready));
  to.Count("group_restarts_total", "How often a group of ranks was started again.",
           now.group_restarts);
}

void AddSteps(const LoopStatistics& now, Families& to) {
  constexpr double kNanosecond = 1e-9;
  const std::vector<GroupStatistics> one{{.steps = now.engine.steps}};
  const std::vector<GroupStatistics>& groups = now.groups.empty() ? one : now.groups;
  to.CountByGroup("step_seconds_total", "Time in steps of a group of ranks.", groups,
                  [](const GroupStatistics& group) {
                    return kNanosecond * static_cast<double>(group.steps.nanoseconds);
                  });
  to.CountByGroup("all_reduce_seconds_total",
                  "Of that, time in all-reduces, waiting for other ranks included.", groups,
                  [](const GroupStatistics& group) {
                    return kNanosecond * static_cast<double>(group.steps.all_reduce_nanoseconds);
                  });
  to.StepSizes(now.engine.steps);
}

}  // namespace

struct Metrics::Instruments {
  Instruments(std::string model_in, std::shared_ptr<prometheus::Registry> registry_in)
      : model(std::move(model_in)), registry(std::move(registry_in)) {}

  Counter& NewCounter(const std::string& name, const std::string& help,
                      const prometheus::Labels& more = {}) {
    prometheus::Labels labels = more;
    labels["model_name"] = model;
    return prometheus::BuildCounter()
        .Name(kPrefix + name)
        .Help(help)
        .Register(*registry)
        .Add(labels);
  }
  Histogram& NewHistogram(const std::string& name, const std::string& help,
                          const Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram()
        .Name(kPrefix + name)
        .Help(help)
        .Register(*registry)
        .Add({{"model_name", model}}, buckets);
  }
  Counter& Finished(const std::string& reason) {
    return NewCounter("request_success_total", "Texts that came to their end, by how.",
                      {{"finished_reason", reason}});
  }

  const std::string model;
  const std::shared_ptr<prometheus::Registry> registry;  // of all names that there were
  Counter& prompt_tokens = NewCounter("prompt_tokens_total", "Tokens of prompts.");
  Counter& new_tokens = NewCounter("generation_tokens_total", "Tokens that were generated.");
  Counter& stopped = Finished("stop");
  Counter& at_length = Finished("length");
  Histogram& first_token = NewHistogram("time_to_first_token_seconds",
                                        "From a request to its first token.", kFirstTokenBuckets);
  Histogram& between_tokens = NewHistogram("inter_token_latency_seconds",
                                           "From a token of a text to its next.", kTokenBuckets);
  Histogram& whole =
      NewHistogram("e2e_request_latency_seconds", "From a request to its end.", kRequestBuckets);
  Histogram& queued = NewHistogram("request_queue_time_seconds",
                                   "From a request to its first step.", kRequestBuckets);
  Histogram& prefill =
      NewHistogram("request_prefill_time_seconds",
                   "From a request's first step to its first token.", kRequestBuckets);
  Histogram& inference = NewHistogram("request_inference_time_seconds",
                                      "From a request's first step to its end.", kRequestBuckets);
  Histogram& decoding = NewHistogram("request_decode_time_seconds",
                                     "From a request's first token to its end.", kRequestBuckets);
  Histogram& prompt_length =
      NewHistogram("request_prompt_tokens", "Tokens of a request's prompt.", kLengthBuckets);
  Histogram& new_length =
      NewHistogram("request_generation_tokens", "Tokens that a request was given.", kLengthBuckets);
};

class Metrics::MeteredSink : public RequestSink {
 public:
  MeteredSink(std::shared_ptr<Instruments> to, std::shared_ptr<RequestSink> sink,
              const TextRequest& request)
      : to_(std::move(to)),
        sink_(std::move(sink)),
        prompt_tokens_(static_cast<double>(request.tokens.size())),
        last_(static_cast<std::size_t>(SamplesMade(request))) {}

  const LogLabel* label() const override { return sink_->label(); }

  void OnBegun() override {
    if (!step_) step_ = Clock::now();
    sink_->OnBegun();
  }

  void OnPiece(std::size_t sample, const TokenPiece& piece) override {
    const auto now = Clock::now();
    if (!first_) {
      first_ = now;
      to_->first_token.Observe(Seconds(now - begun_));
      to_->prompt_tokens.Increment(prompt_tokens_);
    }
    ++pieces_;
    if (std::optional<Clock::time_point>& last = last_.at(sample); last)
      to_->between_tokens.Observe(Seconds(now - std::exchange(*last, now)));
    else
      last = now;
    to_->new_tokens.Increment();
    sink_->OnPiece(sample, piece);
  }

  void OnResult(TextResult result) override {
    const auto now = Clock::now();
    to_->whole.Observe(Seconds(now - begun_));
    if (first_) to_->decoding.Observe(Seconds(now - *first_));
    if (step_) {
      to_->queued.Observe(Seconds(*step_ - begun_));
      to_->prefill.Observe(Seconds(first_.value_or(now) - *step_));
      to_->inference.Observe(Seconds(now - *step_));
    }
    to_->prompt_length.Observe(prompt_tokens_);
    std::size_t tokens = 0;
    for (const TextSample& sample : result.samples) {
      tokens += sample.tokens.size();
      (sample.finish == FinishReason::kLength ? to_->at_length : to_->stopped).Increment();
    }
    if (!result.samples.empty()) to_->new_length.Observe(static_cast<double>(tokens));
    // Vectors come without a piece, and the texts of a beam search as one each.
    if (!first_) to_->prompt_tokens.Increment(prompt_tokens_);
    if (tokens > pieces_) to_->new_tokens.Increment(static_cast<double>(tokens - pieces_));
    sink_->OnResult(std::move(result));
  }

  void OnError(const Error& error) override { sink_->OnError(error); }

 private:
  const std::shared_ptr<Instruments> to_;
  const std::shared_ptr<RequestSink> sink_;
  const double prompt_tokens_;
  const Clock::time_point begun_ = Clock::now();
  std::optional<Clock::time_point> step_;   // the first one
  std::optional<Clock::time_point> first_;  // token
  std::size_t pieces_ = 0;
  std::vector<std::optional<Clock::time_point>> last_;  // token of each sample
};

Metrics::Metrics(const std::string& model)
    : instruments_(std::make_shared<Instruments>(
          model,
          std::make_shared<prometheus::Registry>(prometheus::Registry::InsertBehavior::Merge))),
      checkpoint_(model) {}

Metrics::~Metrics() = default;

void Metrics::SetModel(const std::string& model, const std::string& checkpoint) {
  const std::lock_guard lock(mutex_);
  instruments_ = std::make_shared<Instruments>(model, instruments_->registry);
  checkpoint_ = checkpoint;
}

std::shared_ptr<Metrics::Instruments> Metrics::instruments() const {
  const std::lock_guard lock(mutex_);
  return instruments_;
}

std::shared_ptr<RequestSink> Metrics::Metered(const TextRequest& request,
                                              std::shared_ptr<RequestSink> sink) {
  return std::make_shared<MeteredSink>(instruments(), std::move(sink), request);
}

std::string Metrics::Text(const LoopStatistics& now) const {
  std::vector<MetricFamily> all;
  {
    const std::lock_guard lock(mutex_);
    Families families(instruments_->model);
    AddStatistics(now, families);
    AddSteps(now, families);
    families.Info("checkpoint_info", "The checkpoint whose weights are loaded.", "checkpoint",
                  checkpoint_);
    all = families.Take();
  }
  for (MetricFamily& family : instruments()->registry->Collect()) all.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace lockstep
