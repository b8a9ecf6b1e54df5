#include "planning/fit/calibrate.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "planning/fit/link_fit.h"

namespace lockstep {
namespace {

// How strongly a parameter is held where it was: one that is off by a factor of e costs as much as
// a point that is off by 5 %.
constexpr double kPull = 0.05 * 0.05;

constexpr double kLeastEfficiency = 0.005, kMostEfficiency = 2.0;

// What a point counts: half where its rounds are 10 % apart.
double WeightOf(const SpeedPoint& point) {
  const double spread = point.spread / 0.10;
  return 1.0 / (1.0 + spread * spread);
}

// A number of a machine's description that measurements can tell.
struct Parameter {
  std::string name;
  std::function<double&(Machine&)> access;
  double least = 0.0;
  double most = 0.0;

  double InFile(Machine machine) const {
    return (name.ends_with("_us") ? 1e6 : 1.0) * access(machine);
  }
};

// A point with its work, which does not depend on what is fitted.
struct WorkedPoint {
  const SpeedPoint* point;
  std::vector<RepeatedWork> steps;
};

std::vector<RepeatedWork> StepsOf(const ModelSpec& spec, const SpeedPoint& point) {
  const StepModel model(spec, point.layout);
  GroupLoad load = point.load;
  if (point.of_prompts) return PromptSteps(model, load);
  ++load.new_tokens;  // the prompt's own token was not timed
  return DecodeSteps(model, load);
}

double PredictedSpeed(const WorkedPoint& one, const Machine& machine) {
  return one.point->tokens() / TimeOf(one.steps, RatesOf(machine, one.point->layout)).total();
}

std::vector<Parameter> ParametersFor(const std::vector<WorkedPoint>& points) {
  std::vector<WeightFormat> formats;
  for (const WorkedPoint& one : points)
    if (std::ranges::count(formats, one.point->layout.format) == 0)
      formats.push_back(one.point->layout.format);
  std::vector<Parameter> parameters;
  const auto add = [&](std::string name, double least, double most, auto access) {
    parameters.push_back({std::move(name), access, least, most});
  };
  const auto efficiency = [&](std::string name, auto access) {
    add("efficiency." + name, kLeastEfficiency, kMostEfficiency, access);
  };
  for (const WeightFormat format : formats) {
    efficiency(fmt::format("weights.{}", Name(format)),
               [format](Machine& m) -> double& { return m.efficiency.weights[format]; });
    efficiency(fmt::format("products.{}", Name(format)),
               [format](Machine& m) -> double& { return m.efficiency.products[format]; });
  }
  efficiency("cache", [](Machine& m) -> double& { return m.efficiency.cache; });
  efficiency("attention", [](Machine& m) -> double& { return m.efficiency.attention; });
  efficiency("activations", [](Machine& m) -> double& { return m.efficiency.activations; });
  add("efficiency.overlap", 0.0, 1.0, [](Machine& m) -> double& { return m.efficiency.overlap; });
  add("overhead.block_us", 1e-8, 1e-2, [](Machine& m) -> double& { return m.overhead.block; });
  add("overhead.step_us", 1e-7, 1e-1, [](Machine& m) -> double& { return m.overhead.step; });
  return parameters;
}

// Goes from a machine to a better one, a parameter at a time: a pattern search (Hooke and Jeeves),
// whose steps grow where they help and shrink where they do not.
class PatternSearch {
 public:
  PatternSearch(const std::vector<WorkedPoint>& points, const std::vector<Parameter>& parameters,
                const Machine& anchor)
      : points_(points), parameters_(parameters), anchor_(anchor) {}

  // `skip` is a point that does not count.
  Machine From(Machine machine, const WorkedPoint* skip = nullptr) const {
    for (const Parameter& one : parameters_) Set(one, machine, one.access(machine));
    std::vector<double> strides(parameters_.size(), 0.4);
    double cost = Cost(machine, skip);
    for (int round = 0; round < kRounds; ++round) {
      for (std::size_t i = 0; i < parameters_.size(); ++i)
        cost = Improve(parameters_[i], machine, strides[i], cost, skip);
      if (std::ranges::max(strides) < kLeastStride) break;
    }
    return machine;
  }

  double Cost(const Machine& machine, const WorkedPoint* skip = nullptr) const {
    double cost = 0.0;
    for (const WorkedPoint& one : points_) {
      if (&one == skip) continue;
      const double off = std::log(PredictedSpeed(one, machine) / one.point->tokens_per_second);
      cost += WeightOf(*one.point) * off * off;
    }
    Machine here = machine, there = anchor_;
    for (const Parameter& one : parameters_) {
      const double moved =
          IsShare(one) ? one.access(here) - one.access(there)
                       : std::log(Bounded(one, one.access(here)) / Bounded(one, one.access(there)));
      cost += kPull * moved * moved;
    }
    return cost;
  }

 private:
  static constexpr int kRounds = 300;
  static constexpr double kLeastStride = 1e-4;

  // The overlap may be 0 and moves by differences, everything else by ratios.
  static bool IsShare(const Parameter& one) { return one.least == 0.0; }
  static double Bounded(const Parameter& one, double value) {
    return std::clamp(value, one.least, one.most);
  }
  static void Set(const Parameter& one, Machine& machine, double value) {
    one.access(machine) = Bounded(one, value);
  }

  double Improve(const Parameter& one, Machine& machine, double& stride, double cost,
                 const WorkedPoint* skip) const {
    const double old = one.access(machine);
    for (const double sign : {1.0, -1.0}) {
      Set(one, machine, IsShare(one) ? old + sign * stride : old * std::exp(sign * stride));
      const double tried = Cost(machine, skip);
      if (tried < cost) {
        stride = std::min(1.5 * stride, 1.0);
        return tried;
      }
    }
    one.access(machine) = old;
    stride *= 0.6;
    return cost;
  }

  const std::vector<WorkedPoint>& points_;
  const std::vector<Parameter>& parameters_;
  const Machine& anchor_;
};

// From several beginnings, because one may lead into a corner.
Machine BestFit(const PatternSearch& search, const Machine& start) {
  Machine best = search.From(start);
  double least = search.Cost(best);
  for (const double overlap : {0.0, 0.5, 1.0})
    for (const double factor : {0.5, 1.0, 2.0}) {
      Machine other = start;
      other.efficiency.overlap = overlap;
      other.efficiency.cache *= factor;
      other.efficiency.activations *= factor;
      other.overhead.block *= factor;
      other = search.From(other);
      const double cost = search.Cost(other);
      if (cost >= least) continue;
      least = cost;
      best = other;
    }
  return best;
}

// Formats that were not measured move as those that were: by the mean of their ratios.
void MoveOthers(const std::vector<Parameter>& parameters, const Machine& start, Machine& machine) {
  for (PerFormat Efficiency::*kind : {&Efficiency::weights, &Efficiency::products}) {
    const std::string_view section = kind == &Efficiency::weights ? "weights" : "products";
    std::vector<WeightFormat> others;
    double sum = 0.0;
    int count = 0;
    for (const WeightFormat format : kWeightFormats) {
      const std::string name = fmt::format("efficiency.{}.{}", section, Name(format));
      if (std::ranges::none_of(parameters, [&](const Parameter& p) { return p.name == name; })) {
        others.push_back(format);
        continue;
      }
      sum += std::log((machine.efficiency.*kind)[format] / (start.efficiency.*kind)[format]);
      ++count;
    }
    if (count == 0) continue;
    for (const WeightFormat format : others) {
      double& value = (machine.efficiency.*kind)[format];
      value = std::clamp(value * std::exp(sum / count), kLeastEfficiency, kMostEfficiency);
    }
  }
}

}  // namespace

double Calibration::worst_fitted(Points which) const {
  double worst = 0.0;
  for (const FittedPoint& one : points)
    if (which == Points::kAll || one.point.is_steady())
      worst = std::max(worst, std::abs(one.off()));
  return worst;
}

double Calibration::worst_unseen(Points which) const {
  double worst = 0.0;
  for (const FittedPoint& one : points)
    if (which == Points::kAll || one.point.is_steady())
      worst = std::max(worst, std::abs(one.unseen_off().value_or(0.0)));
  return worst;
}

bool Calibration::all_steady() const {
  return std::ranges::all_of(points, [](const FittedPoint& one) { return one.point.is_steady(); });
}

Calibration Calibrate(const ModelSpec& spec, const Machine& start,
                      const Measurements& measurements) {
  Calibration calibration;
  const Machine linked = WithLinksOf(measurements.reduces, start);
  std::vector<WorkedPoint> points;
  for (const SpeedPoint& point : measurements.speeds) {
    try {
      ShareOf(linked, point.layout);
      points.push_back({&point, StepsOf(spec, point)});
    } catch (const Error& error) {
      calibration.left_out.push_back(fmt::format("{}: {}", point.name, error.what()));
    }
  }
  if (points.empty() && measurements.reduces.empty())
    throw BadInput("plan --fit: no point can have been measured on this machine{}",
                   calibration.left_out.empty() ? "" : ": " + calibration.left_out.front());
  calibration.machine = linked;
  if (points.empty()) return calibration;
  const std::vector<Parameter> parameters = ParametersFor(points);
  const PatternSearch search(points, parameters, linked);
  calibration.machine = BestFit(search, linked);
  for (const WorkedPoint& one : points) {
    FittedPoint fitted{
        .point = *one.point, .fitted = PredictedSpeed(one, calibration.machine), .unseen = {}};
    if (points.size() > 2)
      fitted.unseen = PredictedSpeed(one, search.From(calibration.machine, &one));
    calibration.points.push_back(std::move(fitted));
  }
  for (const Parameter& one : parameters)
    calibration.parameters.push_back(
        {one.name, one.InFile(start), one.InFile(calibration.machine)});
  MoveOthers(parameters, linked, calibration.machine);
  return calibration;
}

}  // namespace lockstep
