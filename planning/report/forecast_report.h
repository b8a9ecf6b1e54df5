#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "planning/here.h"
#include "planning/prediction.h"

namespace lockstep {

// What `lockstep plan` says of one layout on a machine: numbers in, text out.
struct ForecastReport {
  std::string model;  // what it is called
  const Machine& machine;
  const Prediction& prediction;
  const FitHere* here;  // null: the machine is another one
};

// For people, in 80 columns.
std::string ForecastText(const ForecastReport& report);

// Seconds and bytes. Scripts rely on its fields: they may become more, never fewer.
nlohmann::ordered_json ForecastJson(const ForecastReport& report);

// "here: 2.10 GiB of 20.4 GiB that are free in ...: fits"
std::string HereText(const FitHere& here);
nlohmann::ordered_json HereJson(const FitHere& here);

}  // namespace lockstep
