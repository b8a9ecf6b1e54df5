#include "launcher/flags/commands/load_flags.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <limits>

#include "bench/load/load_words.h"
#include "core/error.h"
#include "launcher/flags/flags.h"
#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

constexpr const char* kWhen = "When requests are sent";
constexpr const char* kWhat = "What requests are";
constexpr const char* kResults = "Results";
constexpr IntegerType kMany{1, std::int64_t{1} << 31};
constexpr IntegerType kFew{0, 1 << 20};
constexpr NumberType kSeconds{1e-3, 1e7};
constexpr NumberType kRates{1e-3, 1e6};

template <typename Type>
auto Value(const Type& type, const std::string& text, const char* flag) {
  return type.Parse({ConfigValue::Kind::kPlain, text, {}, flag});
}

// A number, or "inf".
double ValueOrInfinity(const NumberType& type, const std::string& text, const char* flag) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  try {
    return Value(type, text, flag);
  } catch (const Error& error) {
    throw BadInput("{}, or inf", error.what());
  }
}

}  // namespace

void LoadFlags::Add(CLI::App& command) {
  AddLoad(command);
  AddRequests(command);
  AddResults(command);
}

void LoadFlags::AddLoad(CLI::App& command) {
  const LoadOptions usual;
  for (const ValueFlag& flag :
       {ValueFlag{
            "--concurrency", concurrency_, "N",
            "requests at a time, each sent when an earlier one has ended; with --rate the most"},
        ValueFlag{"--rate", rate_, "R",
                  "requests that arrive per second, whatever has ended; inf: all at once"},
        ValueFlag{"--burstiness", burstiness_, "B",
                  "shape of the gamma distribution of pauses between requests; less is burstier, 1 "
                  "is a Poisson process",
                  fmt::format("{}", usual.burstiness)},
        ValueFlag{"--replay", replay_, "FILE.jsonl",
                  "requests and their arrival times from a file"},
        ValueFlag{"--requests", requests_, "N", "how many requests are sent",
                  fmt::format("{}", LoadOptions::kUsualRequests)},
        ValueFlag{"--seconds", seconds_, "S",
                  "sends requests for S seconds, instead of --requests"},
        ValueFlag{"--warmup", warmup_, "N", "requests before those that count",
                  fmt::format("{}", usual.warmup)},
        ValueFlag{"--rounds", rounds_, "N", "times that all is measured",
                  fmt::format("{}", usual.rounds)}})
    AddValueFlag(command, kWhen, flag);
}

void LoadFlags::AddRequests(CLI::App& command) {
  const LoadOptions usual;
  for (const ValueFlag& flag :
       {ValueFlag{"--input-len", input_len_, "LENGTHS",
                  "tokens of prompts: N, uniform:A-B or lognormal:MEDIAN,SIGMA[,MOST]",
                  fmt::format("{}", usual.prompt_tokens.first)},
        ValueFlag{"--output-len", output_len_, "LENGTHS", "tokens of outputs, likewise",
                  fmt::format("{}", usual.output_tokens.first)},
        ValueFlag{"--prompt-ids", prompt_ids_, "A-B", "token ids that prompts are made of",
                  fmt::format("{}-{}", usual.first_id, usual.last_id)}})
    AddValueFlag(command, kWhat, flag);
  command.add_flag("--text", text_, "sends prompts as text; for servers that take no token ids")
      ->group(kWhat);
  command.add_flag("--chat", chat_, "asks for chat completions; their prompts are text")
      ->group(kWhat);
  command
      .add_flag("--stop-at-eos", stops_at_eos_,
                "lets outputs end at end tokens: requests go without ignore_eos")
      ->group(kWhat);
}

void LoadFlags::AddResults(CLI::App& command) {
  const LoadOptions usual;
  AddValueFlag(command, kResults,
               {"--goodput", goodput_, "LIMITS",
                "counts requests within these latencies: ttft:500ms,tpot:50ms,e2el:5s"});
  command
      .add_flag("--find-rate", find_rate_,
                "finds the greatest rate at which enough requests are within --goodput")
      ->group(kResults);
  for (const ValueFlag& flag :
       {ValueFlag{"--attainment", attainment_, "PERCENT",
                  "requests that are enough, with --find-rate",
                  fmt::format("{}", 100.0 * usual.attainment)},
        ValueFlag{"--percentiles", percentiles_, "P,P,...", "percentiles of latencies",
                  fmt::format("{}", fmt::join(usual.percentiles, ","))},
        ValueFlag{"--timeout", timeout_, "S", "gives a request up when nothing comes for S seconds",
                  fmt::format("{}", usual.timeout_seconds)},
        ValueFlag{"--json", json_, "FILE", "everything, for programs; - is standard output"},
        ValueFlag{"--csv", csv_, "FILE", "a line for each round; - is standard output"},
        ValueFlag{"--html", html_, "FILE", "a page with tables and plots"}})
    AddValueFlag(command, kResults, flag);
}

void LoadFlags::ReadTimes(LoadOptions& load) const {
  if (!rate_.empty()) load.rate = ValueOrInfinity(kRates, rate_, "--rate");
  if (!burstiness_.empty())
    load.burstiness = ValueOrInfinity(NumberType{1e-3, 1e6}, burstiness_, "--burstiness");
  if (!concurrency_.empty()) load.concurrency = Value(kMany, concurrency_, "--concurrency");
  if (!requests_.empty()) load.requests = Value(kMany, requests_, "--requests");
  if (!seconds_.empty()) load.seconds = Value(kSeconds, seconds_, "--seconds");
  if (!warmup_.empty()) load.warmup = Value(kFew, warmup_, "--warmup");
  if (!rounds_.empty()) load.rounds = Value(IntegerType{1, 1000}, rounds_, "--rounds");
  if (!timeout_.empty()) load.timeout_seconds = Value(kSeconds, timeout_, "--timeout");
  load.replay = replay_;
  if (!load.rate && !load.concurrency && load.replay.empty() && !find_rate_)
    throw BadInput(
        "bench serve: nothing says when requests are sent; expected --concurrency N, --rate R, "
        "--replay FILE or --find-rate");
  if (load.rate && !load.replay.empty())
    throw BadInput("bench serve: --rate and --replay are both given; expected one of them");
  if (load.requests && load.seconds)
    throw BadInput("bench serve: --requests and --seconds are both given; expected one of them");
  if (load.seconds && (!load.replay.empty() || (load.rate && *load.rate > kRates.most)))
    throw BadInput("bench serve: --seconds goes with --concurrency or a --rate; use --requests");
  if (!load.replay.empty() && (!input_len_.empty() || !output_len_.empty()))
    throw BadInput(
        "bench serve: {} does not go with --replay, whose requests have lengths of their own",
        input_len_.empty() ? "--output-len" : "--input-len");
  if (!burstiness_.empty() && !load.rate && !find_rate_)
    throw BadInput("bench serve: --burstiness goes with --rate or --find-rate");
}

void LoadFlags::ReadRequests(LoadOptions& load) const {
  if (!input_len_.empty()) load.prompt_tokens = ParseLengths(input_len_, "--input-len");
  if (!output_len_.empty()) load.output_tokens = ParseLengths(output_len_, "--output-len");
  if (!prompt_ids_.empty()) std::tie(load.first_id, load.last_id) = ParseIds(prompt_ids_);
  if (text_ || chat_) load.prompt_form = PromptForm::kText;
  if (chat_) load.endpoint = LoadEndpoint::kChat;
  if (stops_at_eos_) load.eos_rule = EosRule::kObeyed;
}

void LoadFlags::ReadTarget(LoadOptions& load) const {
  if (!goodput_.empty()) load.target = ParseTarget(goodput_);
  if (!percentiles_.empty()) load.percentiles = ParsePercentiles(percentiles_);
  load.json_file = json_;
  load.csv_file = csv_;
  load.html_file = html_;
  if (!attainment_.empty())
    load.attainment = 0.01 * Value(NumberType{1, 100}, attainment_, "--attainment");
  if (!attainment_.empty() && !find_rate_)
    throw BadInput("bench serve: --attainment goes with --find-rate");
  if (!find_rate_) return;
  load.rate_search = RateSearchMode::kOn;
  if (!load.target.is_set())
    throw BadInput("bench serve: --find-rate needs a target; expected --goodput ttft:500ms,...");
  if (!load.replay.empty())
    throw BadInput("bench serve: --find-rate chooses the rate; it does not go with --replay");
  if (load.rate && *load.rate > kRates.most)
    throw BadInput("bench serve: --find-rate begins at --rate; expected a number, not inf");
  if (load.concurrency)
    throw BadInput(
        "bench serve: --find-rate lets requests arrive whatever is in flight; leave --concurrency "
        "out");
  if (load.rounds > 1)
    throw BadInput("bench serve: --find-rate has rounds of its own; leave --rounds out");
}

void CompareFlags::Add(CLI::App& command) {
  command.add_option("A", before_, "a result of --json");
  command.add_option("B", after_, "a later one of the same benchmark");
  command.add_flag("--fail-on-slower", fails_, "exits with code 5 if something became slower");
}

CompareOptions CompareFlags::Read() const {
  if (before_.empty() || after_.empty())
    throw BadInput("bench compare: expected two files of results, A.json and B.json");
  return {.before = before_,
          .after = after_,
          .slower = fails_ ? SlowerRule::kFails : SlowerRule::kIsTold};
}

LoadOptions LoadFlags::Read() const {
  LoadOptions load;
  ReadTimes(load);
  ReadRequests(load);
  ReadTarget(load);
  return load;
}

}  // namespace lockstep
