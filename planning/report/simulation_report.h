#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "planning/simulation/simulate.h"

namespace lockstep {

// What `plan --simulate` found, for people in 80 columns.
struct SimulationReport {
  std::string model;
  const PlanQuestion& question;
  const Layout& layout;
  const Arrivals& arrivals;
  const Simulation& simulation;
};
std::string SimulationText(const SimulationReport& report);
nlohmann::ordered_json SimulationJson(const SimulationReport& report);

}  // namespace lockstep
