#include "planning/report/simulation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "planning/report/quantities.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::array kPercents = {50.0, 90.0, 99.0};

struct Figure {
  const char* name;
  const char* key;
  float SimulatedLatency::*member;
};
constexpr std::array kFigures = {
    Figure{"to the first token", "first_token_seconds", &SimulatedLatency::first_token},
    Figure{"for each further token", "per_token_seconds", &SimulatedLatency::per_token},
    Figure{"to the last token", "whole_seconds", &SimulatedLatency::whole}};

std::vector<float> ValuesOf(const Simulation& simulation, const Figure& figure) {
  std::vector<float> values;
  values.reserve(simulation.latencies.size());
  for (const SimulatedLatency& one : simulation.latencies) values.push_back(one.*figure.member);
  return values;
}

double TokensPerSecond(const SimulationReport& report) {
  return static_cast<double>(report.simulation.latencies.size()) *
         static_cast<double>(report.question.workload.new_tokens) / report.simulation.seconds;
}

// Of the time from the first arrival to the last token, how much the copies compute.
double BusyShare(const SimulationReport& report) {
  return report.simulation.busy_seconds /
         (report.simulation.seconds * static_cast<double>(report.layout.dp));
}

double TextsInStep(const Simulation& simulation) {
  return static_cast<double>(simulation.sequences_in_steps) /
         static_cast<double>(std::max<std::int64_t>(1, simulation.steps));
}

}  // namespace

std::string SimulationText(const SimulationReport& report) {
  const Layout& layout = report.layout;
  const Simulation& simulation = report.simulation;
  std::string text = fmt::format("{} in {}, on {}\n", report.model, Name(layout.format),
                                 report.question.machine.title);
  text += fmt::format("{} rank{}: {} cop{} of {}; {} requests, {} a second, of {} + {} tokens\n\n",
                      layout.ranks(), layout.ranks() == 1 ? "" : "s", layout.dp,
                      layout.dp == 1 ? "y" : "ies", layout.ranks_of_copy(),
                      GroupedText(report.arrivals.requests), RateText(report.arrivals.per_second),
                      report.question.workload.prompt_tokens, report.question.workload.new_tokens);
  text += fmt::format("{:<26}{:>11}{:>11}{:>11}\n", "time", "median", "90 %", "99 %");
  for (const Figure& figure : kFigures) {
    const std::vector<float> values = ValuesOf(simulation, figure);
    text += fmt::format("  {:<24}", figure.name);
    for (const double percent : kPercents)
      text += fmt::format("{:>11}", SecondsText(Percentile(values, percent)));
    text += "\n";
  }
  return text + fmt::format(
                    "\n{} tokens/s over {}; copies compute {:.0f} % of the time\n"
                    "{} steps of {:.1f} texts on average; {} preemptions\n",
                    RateText(TokensPerSecond(report)), SecondsText(simulation.seconds),
                    100.0 * BusyShare(report), GroupedText(simulation.steps),
                    TextsInStep(simulation), GroupedText(simulation.preemptions));
}

nlohmann::ordered_json SimulationJson(const SimulationReport& report) {
  const Simulation& simulation = report.simulation;
  OrderedJson json{{"machine", report.question.machine.title},
                   {"dtype", Name(report.layout.format)},
                   {"tp", report.layout.tp},
                   {"pp", report.layout.pp},
                   {"dp", report.layout.dp},
                   {"requests", report.arrivals.requests},
                   {"requests_per_second", report.arrivals.per_second},
                   {"seconds", simulation.seconds},
                   {"tokens_per_second", TokensPerSecond(report)},
                   {"busy_share", BusyShare(report)},
                   {"steps", simulation.steps},
                   {"texts_per_step", TextsInStep(simulation)},
                   {"preemptions", simulation.preemptions}};
  for (const Figure& figure : kFigures) {
    const std::vector<float> values = ValuesOf(simulation, figure);
    OrderedJson percentiles = OrderedJson::object();
    for (const double percent : kPercents)
      percentiles[fmt::format("p{:.0f}", percent)] = Percentile(values, percent);
    json[figure.key] = std::move(percentiles);
  }
  return json;
}

}  // namespace lockstep
