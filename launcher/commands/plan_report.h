#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/numbers/weight_format.h"
#include "partition/plan/shard_plan.h"

namespace lockstep {

// What `lockstep plan` says.
//
// Parameters of a rank are those it holds; norms, and biases added after a reduction, are whole on
// every rank. "unique_parameters" counts these replicated ones on rank 0 only, so that they add up
// to the total whatever the rank count.

struct PlanReport {
  const ShardPlan& plan;
  std::string model;  // what it is called in the report
  WeightFormat dtype = WeightFormat::kF32;
  DType cache_dtype = DType::kF32;
};

// Scripts rely on its fields: they may become more, never fewer.
nlohmann::ordered_json PlanObject(const PlanReport& report);

// An object as `plan --json` writes it, with a line end.
std::string PlanJson(const nlohmann::ordered_json& object);

// The same as a table for people.
std::string PlanTable(const PlanReport& report);

}  // namespace lockstep
