#include "bench/bench_report.h"

#include <algorithm>

#include "core/error.h"
#include "core/json.h"

namespace lockstep {
namespace {

// The members in the order they are written.
using OrderedJson = nlohmann::ordered_json;

// The command's words need not be UTF-8.
std::string Dumped(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

double PerToken(double value, const CaseReport& one) {
  return value / static_cast<double>(std::max<std::int64_t>(one.tokens, 1));
}

OrderedJson CaseJson(const CaseReport& one, BenchKind kind) {
  OrderedJson shares = OrderedJson::array();
  for (const CeilingShare& share : one.shares) {
    OrderedJson entry = FigureJson(share.samples);
    entry["ceiling"] = share.ceiling;
    shares.push_back(std::move(entry));
  }
  return {{"benchmark", Name(kind)},
          {"sequences", one.what.sequences},
          {"prompt_tokens", one.what.prompt_tokens},
          {"new_tokens", one.what.new_tokens},
          {"tokens_per_second", FigureJson(one.tokens_per_second)},
          {"per_token",
           {{"weight_bytes", PerToken(one.cost.weight_bytes, one)},
            {"cache_bytes", PerToken(one.cost.cache_bytes, one)},
            {"multiply_adds", PerToken(one.cost.multiply_adds, one)}}},
          {"of_ceilings", std::move(shares)}};
}

std::string Numbers(const Spread& spread, double factor, int digits) {
  return fmt::format("{:10.{}f}  ({:.{}f} to {:.{}f})", factor * spread.median, digits,
                     factor * spread.least, digits, factor * spread.most, digits);
}

std::string CaseTitle(const CaseReport& one, BenchKind kind) {
  const BenchCase& what = one.what;
  const std::string who = Counted(what.sequences, "sequence");
  if (what.new_tokens == 0)
    return fmt::format("{}, {}, prompt {}", Name(kind), who, what.prompt_tokens);
  return fmt::format("{}, {}, prompt {}, {} new tokens", Name(kind), who, what.prompt_tokens,
                     what.new_tokens);
}

std::string CaseText(const CaseReport& one, BenchKind kind) {
  std::string text = fmt::format("\n{}\n", CaseTitle(one, kind));
  text += fmt::format("  {:<28}{}\n", "tokens/s", Numbers(SpreadOf(one.tokens_per_second), 1.0, 2));
  for (const CeilingShare& share : one.shares)
    text += fmt::format("  {:<28}{}\n", "% of " + share.ceiling,
                        Numbers(SpreadOf(share.samples), 100.0, 1));
  text += fmt::format(
      "  per token: {:.2f} MB of weights, {:.3f} MB of keys and values, {:.1f} M "
      "multiply-adds\n",
      1e-6 * PerToken(one.cost.weight_bytes, one), 1e-6 * PerToken(one.cost.cache_bytes, one),
      1e-6 * PerToken(one.cost.multiply_adds, one));
  return text;
}

std::string ShortRange(const Spread& spread) {
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", spread.median, spread.least, spread.most);
}

// MPI's time over ours, round by round: what moves both does not count.
std::vector<double> Ratios(const CommCase& one) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < one.mpi_us.size(); ++i)
    ratios.push_back(one.mpi_us[i] / one.lockstep_us[i]);
  return ratios;
}

std::string Megabytes(const std::vector<double>& per_rank) {
  std::string text;
  for (const double bytes : per_rank)
    text += fmt::format("{}{:.1f}", text.empty() ? "" : ", ", 1e-6 * bytes);
  return text;
}

}  // namespace

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
  return {median, values.front(), values.back()};
}

std::string BenchJson(const BenchReport& report) {
  OrderedJson ceilings = OrderedJson::array();
  for (const Ceiling& ceiling : report.ceilings) {
    OrderedJson entry = FigureJson(ceiling.samples);
    entry["name"] = ceiling.name;
    entry["unit"] = ceiling.unit;
    ceilings.push_back(std::move(entry));
  }
  OrderedJson cases = OrderedJson::array();
  for (const CaseReport& one : report.cases) cases.push_back(CaseJson(one, report.kind));
  OrderedJson json{{"about", report.about},
                   {"model", report.model},
                   {"weights", report.weights},
                   {"dtype", report.dtype},
                   {"ranks", report.ranks}};
  if (report.stages > 1) json[kStagesField] = report.stages;
  json.update({{"threads_per_rank", report.threads},
               {"ceilings", std::move(ceilings)},
               {"cases", std::move(cases)},
               {"weight_bytes", report.weight_bytes},
               {"peak_memory_bytes", report.peak_memory_bytes}});
  return Dumped(json);
}

OrderedJson FigureJson(const std::vector<double>& rounds) {
  const Spread spread = SpreadOf(rounds);
  return {
      {"median", spread.median}, {"min", spread.least}, {"max", spread.most}, {"rounds", rounds}};
}

std::string Counted(std::int64_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string RanksText(std::int64_t ranks, std::int64_t stages) {
  const std::string all = Counted(ranks, "rank");
  return stages == 1 ? all : fmt::format("{} in {}", all, Counted(stages, "stage"));
}

std::string BenchText(const BenchReport& report) {
  std::string text =
      fmt::format("{}, {} weights, {}; {} of {}\n", report.model,
                  report.weights == "random" ? "random" : "the checkpoint's", report.dtype,
                  RanksText(report.ranks, report.stages), Counted(report.threads, "thread"));
  if (!report.ceilings.empty()) text += "\nthe machine: median (least to most)\n";
  for (const Ceiling& ceiling : report.ceilings)
    text += fmt::format("  {:<28}{} {}\n", ceiling.name, Numbers(SpreadOf(ceiling.samples), 1.0, 1),
                        ceiling.unit);
  for (const CaseReport& one : report.cases) text += CaseText(one, report.kind);
  text += fmt::format("\nMB of weights per rank: {}; peak memory: {}\n",
                      Megabytes(report.weight_bytes), Megabytes(report.peak_memory_bytes));
  return text;
}

std::string CommJson(const CommReport& report) {
  OrderedJson cases = OrderedJson::array();
  for (const CommCase& one : report.cases)
    cases.push_back({{"benchmark", "comm"},
                     {"bytes", one.bytes},
                     {"lockstep_us", FigureJson(one.lockstep_us)},
                     {"mpi_us", FigureJson(one.mpi_us)},
                     {"in_step_us", FigureJson(one.in_step_us)},
                     {"mpi_over_lockstep", FigureJson(Ratios(one))}});
  return Dumped({{"about", report.about},
                 {"ranks", report.ranks},
                 {"waiting", report.spins ? "spins" : "yields"},
                 {"cases", std::move(cases)}});
}

std::string CommText(const CommReport& report) {
  std::string text = fmt::format(
      "all-reduce of fp32 over {} ranks, microseconds: median (least to most)\n\n"
      "{:>9} {:>26}{:>10}{:>24}{:>10}\n",
      report.ranks, "bytes", "Lockstep", "MPI", "MPI / Lockstep", "in a step");
  for (const CommCase& one : report.cases)
    text += fmt::format("{:>9} {:>26}{:>10.2f}{:>24}{:>10.2f}\n", one.bytes,
                        ShortRange(SpreadOf(one.lockstep_us)), SpreadOf(one.mpi_us).median,
                        ShortRange(SpreadOf(Ratios(one))), SpreadOf(one.in_step_us).median);
  text += "\nin a step: values just written and caches full of weights, without waiting\n";
  if (!report.spins)
    text += "ranks have more threads than cores, or a quota: who waits does not spin\n";
  return text;
}

}  // namespace lockstep
