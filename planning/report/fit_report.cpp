#include "planning/report/fit_report.h"

#include <fmt/format.h>

#include "planning/report/quantities.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

// "8.1 %; of each point by the others alone: 9.4 %"
std::string WorstText(const Calibration& calibration, Calibration::Points which) {
  std::string text = fmt::format("{:.1f} %", 100.0 * calibration.worst_fitted(which));
  if (calibration.points.size() > 2)
    text += fmt::format("; of each point by the others alone: {:.1f} %",
                        100.0 * calibration.worst_unseen(which));
  return text;
}

std::string PointsText(const Calibration& calibration) {
  constexpr const char* kRow = "{:<38} {:>9}{:1} {:>9} {:>8} {:>8}\n";
  std::string text = fmt::format(fmt::runtime(kRow), "ranks x threads, texts x (in, new)",
                                 "measured", "", "predicted", "off", "unseen");
  for (const FittedPoint& one : calibration.points) {
    const auto unseen = one.unseen_off();
    text += fmt::format(fmt::runtime(kRow), one.point.name, RateText(one.point.tokens_per_second),
                        one.point.is_steady() ? "" : "*", RateText(one.fitted), OffText(one.off()),
                        unseen ? OffText(*unseen) : "");
  }
  text += fmt::format("largest: {}\n", WorstText(calibration, Calibration::Points::kAll));
  if (calibration.all_steady()) return text;
  text += fmt::format("without *: {}\n", WorstText(calibration, Calibration::Points::kSteady));
  return text + "* its rounds are more than 15 % apart: it counts less\n";
}

}  // namespace

std::string FitText(const std::string& model, const Machine& start,
                    const Calibration& calibration) {
  std::string text = fmt::format("{} on {}, tokens/s\n\n", model, start.title);
  if (!calibration.points.empty()) text += PointsText(calibration);
  for (const std::string& one : calibration.left_out) text += fmt::format("left out: {}\n", one);
  if (calibration.parameters.empty()) return text;
  text += fmt::format("\n{:<30} {:>9} {:>9}\n", "", "before", "fitted");
  for (const FittedParameter& one : calibration.parameters)
    text += fmt::format("{:<30} {:>9.3g} {:>9.3g}\n", one.name, one.before, one.fitted);
  return text;
}

nlohmann::ordered_json FitJson(const Machine& start, const Calibration& calibration) {
  OrderedJson points = OrderedJson::array();
  for (const FittedPoint& one : calibration.points) {
    OrderedJson point{{"point", one.point.name},
                      {"measured", one.point.tokens_per_second},
                      {"predicted", one.fitted},
                      {"spread", one.point.spread}};
    if (one.unseen) point["predicted_unseen"] = *one.unseen;
    points.push_back(std::move(point));
  }
  OrderedJson parameters = OrderedJson::object();
  for (const FittedParameter& one : calibration.parameters)
    parameters[one.name] = {{"before", one.before}, {"fitted", one.fitted}};
  return {{"machine", start.title},
          {"unit", "tokens/s"},
          {"points", std::move(points)},
          {"left_out", calibration.left_out},
          {"worst_fitted", calibration.worst_fitted()},
          {"worst_unseen", calibration.worst_unseen()},
          {"worst_steady_fitted", calibration.worst_fitted(Calibration::Points::kSteady)},
          {"worst_steady_unseen", calibration.worst_unseen(Calibration::Points::kSteady)},
          {"parameters", std::move(parameters)}};
}

}  // namespace lockstep
