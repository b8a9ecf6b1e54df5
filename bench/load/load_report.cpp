#include "bench/load/load_report.h"

#include <cmath>

#include "bench/bench_report.h"
#include "bench/load/load_words.h"
#include "core/error.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

double PerSecond(double count, const LoadSummary& summary) {
  return summary.seconds > 0.0 ? count / summary.seconds : 0.0;
}

OrderedJson NumberOrText(double number) {
  return std::isinf(number) ? OrderedJson("inf") : OrderedJson(number);
}

void AddLatency(const char* name, const LatencySummary& latency, OrderedJson& json) {
  json[fmt::format("mean_{}_ms", name)] = 1e3 * latency.mean;
  json[fmt::format("median_{}_ms", name)] = 1e3 * latency.median;
  json[fmt::format("std_{}_ms", name)] = 1e3 * latency.deviation;
  for (const auto& [percent, seconds] : latency.percentiles)
    json[fmt::format("p{:g}_{}_ms", percent, name)] = 1e3 * seconds;
}

OrderedJson FailuresJson(const LoadSummary& summary) {
  OrderedJson failures = OrderedJson::array();
  for (const auto& [kind, failure] : summary.failures)
    failures.push_back({{"kind", kind}, {"count", failure.count}, {"example", failure.example}});
  return failures;
}

// The numbers of one run.
OrderedJson NumbersJson(const LoadSummary& summary, const LoadOptions& options) {
  const auto input = static_cast<double>(summary.input_tokens);
  const auto output = static_cast<double>(summary.output_tokens);
  OrderedJson json{
      {"duration", summary.seconds},
      {"completed", summary.completed},
      {"failed", summary.failed},
      {"total_input_tokens", summary.input_tokens},
      {"total_output_tokens", summary.output_tokens},
      {"request_throughput", PerSecond(static_cast<double>(summary.completed), summary)},
      {"output_throughput", PerSecond(output, summary)},
      {"total_token_throughput", PerSecond(input + output, summary)},
      {"max_output_tokens_per_s", summary.most_output_tokens_per_second},
      {"max_concurrent_requests", summary.most_concurrent}};
  if (options.target.is_set())
    json["request_goodput"] = PerSecond(static_cast<double>(summary.good), summary);
  AddLatency("ttft", summary.ttft, json);
  AddLatency("tpot", summary.tpot, json);
  AddLatency("itl", summary.itl, json);
  AddLatency("e2el", summary.e2el, json);
  return json;
}

OrderedJson RoundJson(const LoadSummary& summary, const LoadOptions& options) {
  OrderedJson json = NumbersJson(summary, options);
  json["cancelled"] = summary.cancelled;
  json["output_tokens_counted_by_events"] = summary.uncounted;
  json["failures"] = FailuresJson(summary);
  return json;
}

OrderedJson LoadSettings(const LoadOptions& options) {
  const bool is_replay = !options.replay.empty();  // whose lengths are its own
  OrderedJson json{
      {"request_rate", options.rate ? NumberOrText(*options.rate) : OrderedJson()},
      {"burstiness", NumberOrText(options.burstiness)},
      {"max_concurrency", options.concurrency ? OrderedJson(*options.concurrency) : OrderedJson()},
      {"requests", options.requests ? OrderedJson(*options.requests) : OrderedJson()},
      {"seconds", options.seconds ? OrderedJson(*options.seconds) : OrderedJson()},
      {"replay", options.replay},
      {"prompt_tokens", is_replay ? OrderedJson() : OrderedJson(Shown(options.prompt_tokens))},
      {"output_tokens", is_replay ? OrderedJson() : OrderedJson(Shown(options.output_tokens))},
      {"ignore_eos", options.eos_rule == EosRule::kIgnored},
      {"goodput", Shown(options.target)},
      {"seed", options.seed}};
  return json;
}

const char* NameOf(Trial trial) {
  switch (trial) {
    case Trial::kMet: return "met";
    case Trial::kMissed: return "missed";
    case Trial::kTooShort: break;
  }
  return "too short to tell";
}

double AttainmentOf(const LoadSummary& summary) {
  const std::int64_t all = summary.completed + summary.failed;
  return all == 0 ? 0.0 : static_cast<double>(summary.good) / static_cast<double>(all);
}

OrderedJson SearchJson(const FoundRate& found, const LoadOptions& options) {
  OrderedJson trials = OrderedJson::array();
  for (const RateTrial& one : found.trials) {
    OrderedJson json{{"request_rate", one.rate},
                     {"result", NameOf(one.trial)},
                     {"attainment", AttainmentOf(one.summary)}};
    json.update(NumbersJson(one.summary, options));
    trials.push_back(std::move(json));
  }
  return {{"attainment", options.attainment},
          {"e2el_alone_ms", 1e3 * found.seconds_alone},
          {"max_request_rate", found.met ? OrderedJson(*found.met) : OrderedJson()},
          {"least_rate_that_missed", found.missed ? OrderedJson(*found.missed) : OrderedJson()},
          {"trials", std::move(trials)}};
}

// Each number over the rounds, in the form in which `bench compare` looks for them.
OrderedJson MetricsJson(const LoadReport& report) {
  std::vector<OrderedJson> rounds;
  for (const LoadSummary& summary : report.rounds)
    rounds.push_back(NumbersJson(summary, report.options));
  OrderedJson metrics = OrderedJson::object();
  for (const auto& [name, first] : rounds.front().items()) {
    std::vector<double> values;
    for (const OrderedJson& round : rounds) values.push_back(round[name].get<double>());
    metrics[name] = FigureJson(values);
  }
  return metrics;
}

std::string LoadLine(const LoadOptions& options) {
  std::string text;
  if (!options.replay.empty()) {
    text = fmt::format("replay of {}", options.replay);
  } else if (options.rate_search == RateSearchMode::kOn) {
    text = "search for the greatest rate";
  } else if (options.rate) {
    text = std::isinf(*options.rate) ? "all requests at once"
                                     : fmt::format("{:g} requests/s", *options.rate);
    if (!std::isinf(*options.rate))
      text += options.burstiness == 1.0 ? ", Poisson"
                                        : fmt::format(", burstiness {:g}", options.burstiness);
  } else {
    text = "closed loop";
  }
  if (options.concurrency) text += fmt::format(", {} at a time", *options.concurrency);
  if (options.replay.empty())
    text += fmt::format("\n{} prompt tokens, {} output tokens; seed {}",
                        Shown(options.prompt_tokens), Shown(options.output_tokens), options.seed);
  if (options.target.is_set()) text += "\ngoodput: within " + Shown(options.target);
  return text;
}

void AddNumber(std::string& text, const char* name, double value, const char* unit) {
  text += fmt::format("  {:<30}{:>12.2f} {}\n", name, value, unit);
}

std::string LatencyTable(const LoadSummary& summary, const LoadOptions& options) {
  constexpr std::size_t kMostColumns = 4;
  const std::size_t all = options.percentiles.size();
  std::string text = fmt::format("\n  {:<24}{:>9}{:>9}", "ms", "mean", "median");
  std::vector<std::size_t> columns;
  for (std::size_t i = all - std::min(all, kMostColumns); i < all; ++i)
    if (options.percentiles[i] != 50.0) columns.push_back(i);
  for (const std::size_t column : columns)
    text += fmt::format("{:>9}", fmt::format("p{:g}", options.percentiles[column]));
  text += '\n';
  const auto add = [&](const char* name, const LatencySummary& latency) {
    text += fmt::format("  {:<24}{:>9.2f}{:>9.2f}", name, 1e3 * latency.mean, 1e3 * latency.median);
    for (const std::size_t column : columns)
      text += fmt::format("{:>9.2f}", 1e3 * latency.percentiles[column].second);
    text += '\n';
  };
  add("time to first token", summary.ttft);
  add("time per output token", summary.tpot);
  add("inter-token latency", summary.itl);
  add("end-to-end latency", summary.e2el);
  return text;
}

std::string FailureLines(const LoadSummary& summary) {
  std::string text;
  for (const auto& [kind, failure] : summary.failures) {
    std::string line = fmt::format("    {:>6} x {}", failure.count, kind);
    if (!failure.example.empty()) line += ": " + failure.example;
    constexpr std::size_t kColumns = 80;
    if (line.size() > kColumns) line = line.substr(0, kColumns - 3) + "...";
    text += line + '\n';
  }
  return text;
}

std::string RoundText(const LoadSummary& summary, const LoadOptions& options) {
  std::string text = fmt::format(
      "\n  {:<30}{:>12} completed, {} failed{}\n", "requests", summary.completed, summary.failed,
      summary.cancelled == 0 ? "" : fmt::format(", {} broken off", summary.cancelled));
  text += FailureLines(summary);
  AddNumber(text, "duration", summary.seconds, "s");
  text += fmt::format("  {:<30}{:>12}\n", "input tokens", summary.input_tokens);
  text += fmt::format("  {:<30}{:>12}{}\n", "output tokens", summary.output_tokens,
                      summary.uncounted == 0 ? "" : " (by events: the server says no usage)");
  AddNumber(text, "requests completed", PerSecond(static_cast<double>(summary.completed), summary),
            "per s");
  if (options.target.is_set())
    AddNumber(text, "goodput", PerSecond(static_cast<double>(summary.good), summary), "per s");
  AddNumber(text, "input tokens", PerSecond(static_cast<double>(summary.input_tokens), summary),
            "per s");
  AddNumber(text, "output tokens", PerSecond(static_cast<double>(summary.output_tokens), summary),
            "per s");
  AddNumber(text, "output tokens, best second", summary.most_output_tokens_per_second, "per s");
  text += fmt::format("  {:<30}{:>12}\n", "most requests at a time", summary.most_concurrent);
  if (summary.completed > 0) text += LatencyTable(summary, options);
  return text;
}

std::string SearchText(const FoundRate& found, const LoadOptions& options) {
  if (found.trials.empty() && found.is_interrupted) return "";
  if (found.trials.empty())
    return fmt::format("\nno rate will do: a request alone, of {:.1f} ms, is not within {}\n",
                       1e3 * found.seconds_alone, Shown(options.target));
  std::string text = fmt::format("\n{:>10}{:>11}{:>13}{:>13}{:>13}  {}\n", "rate/s", "within",
                                 "done/s", "p50 TTFT ms", "p50 TPOT ms", "target");
  for (const RateTrial& one : found.trials)
    text += fmt::format("{:>10.3f}{:>9.1f} %{:>13.3f}{:>13.2f}{:>13.2f}  {}\n", one.rate,
                        100.0 * AttainmentOf(one.summary),
                        PerSecond(static_cast<double>(one.summary.completed), one.summary),
                        1e3 * one.summary.ttft.median, 1e3 * one.summary.tpot.median,
                        NameOf(one.trial));
  const std::string target = fmt::format("{:g} % of the requests within {}",
                                         100.0 * options.attainment, Shown(options.target));
  if (found.is_open) {
    text += found.met ? fmt::format("\n{:.3f} requests/s or more, with\n{}\n", *found.met, target)
                      : fmt::format("\nno rate was found with\n{}\n", target);
    const RateTrial& last = found.trials.back();
    return text + fmt::format(
                      "At {:.3f} requests/s {} of {} were under way when the last one was sent:\n"
                      "too many to see whether the server keeps up. Longer trials can tell: give\n"
                      "more {}.\n",
                      last.rate, last.summary.in_flight_at_last + 1, last.summary.completed,
                      options.requests ? "--requests" : "--seconds");
  }
  if (!found.met) return text + fmt::format("\nno rate that was tried has\n{}\n", target);
  return text +
         fmt::format("\n{:.3f} requests/s is the greatest rate with\n{}\n", *found.met, target);
}

// The medians of several rounds with their range.
std::string SpreadText(const LoadReport& report) {
  const OrderedJson metrics = MetricsJson(report);
  std::string text = fmt::format("\nmedian of {} (least to most)\n",
                                 Counted(static_cast<std::int64_t>(report.rounds.size()), "round"));
  for (const char* name : {"request_throughput", "request_goodput", "output_throughput",
                           "mean_ttft_ms", "mean_tpot_ms", "mean_itl_ms", "mean_e2el_ms"}) {
    if (!metrics.contains(name)) continue;
    const OrderedJson& one = metrics[name];
    text +=
        fmt::format("  {:<30}{:>12.2f}  ({:.2f} to {:.2f})\n", name, one["median"].get<double>(),
                    one["min"].get<double>(), one["max"].get<double>());
  }
  return text;
}

}  // namespace

std::string LoadText(const LoadReport& report) {
  std::string text =
      fmt::format("{}, model {}\n{}\n", report.target, report.model, LoadLine(report.options));
  if (report.is_interrupted) text += "interrupted: this is what was measured so far\n";
  for (std::size_t i = 0; i < report.rounds.size(); ++i) {
    if (report.rounds.size() > 1) text += fmt::format("\nround {}", i + 1);
    text += RoundText(report.rounds[i], report.options);
  }
  if (report.rounds.size() > 1) text += SpreadText(report);
  if (report.search) text += SearchText(*report.search, report.options);
  return text;
}

std::string LoadJson(const LoadReport& report) {
  OrderedJson rounds = OrderedJson::array();
  for (const LoadSummary& summary : report.rounds)
    rounds.push_back(RoundJson(summary, report.options));
  OrderedJson json{{"benchmark", "serve"},
                   {"about", report.about},
                   {"target", report.target},
                   {"model", report.model},
                   {"interrupted", report.is_interrupted},
                   {"load", LoadSettings(report.options)},
                   {"rounds", std::move(rounds)}};
  if (!report.rounds.empty()) json["metrics"] = MetricsJson(report);
  if (report.search) json["search"] = SearchJson(*report.search, report.options);
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string LoadCsv(const LoadReport& report) {
  std::string text;
  const auto add = [&](const OrderedJson& first, const OrderedJson& numbers, const char* name) {
    if (text.empty()) {
      text = name;
      for (const auto& [key, value] : numbers.items()) text += "," + key;
      text += '\n';
    }
    text += first.dump();
    for (const auto& [key, value] : numbers.items()) text += "," + value.dump();
    text += '\n';
  };
  if (report.search) {
    for (const RateTrial& one : report.search->trials)
      add(one.rate, NumbersJson(one.summary, report.options), "request_rate");
    return text;
  }
  for (std::size_t i = 0; i < report.rounds.size(); ++i)
    add(i + 1, NumbersJson(report.rounds[i], report.options), "round");
  return text;
}

}  // namespace lockstep
