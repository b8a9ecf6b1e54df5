#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/scaling/scaling_result.h"

namespace lockstep {

// What is made of what was measured. Every figure has an element for each round: what moves a whole
// round, such as a neighbour on the machine, then moves both sides of a ratio.

struct StageFigures {
  std::vector<double> tokens_per_second;
  std::vector<double> step_ms;
  // Of a rank's time, the mean of all ranks; 0.1 being 10 %. Empty without a split.
  std::vector<double> communication_share;  // adding up, without waiting for each other
  std::vector<double> waiting_share;
  // How much longer than the mean the busiest rank computes: products, attention and other.
  std::vector<double> imbalance;
  // What the split of rank 0 adds up to, as a share of what its clock says.
  std::vector<double> split_over_time;
};
StageFigures FiguresOf(const ScalingStage& stage);

enum class ScalingStageName : std::uint8_t { kPrefill, kDecode };
std::string_view Name(ScalingStageName stage);
const ScalingStage& StageOf(const ScalingPoint& point, ScalingStageName stage);

// One rank count of a curve.
struct CurvePoint {
  const ScalingPoint* point = nullptr;    // lives as long as the result does
  std::vector<double> tokens_per_second;  // of this stage
  std::vector<double> speedup;            // tokens/s against those of the curve's first rank count
  std::vector<double> efficiency;         // the same of tokens/s of each rank; 1 is ideal
};

// Points of as many stages that differ in their ranks: of the same batch (strong), or of the same
// batch of each rank (weak).
struct ScalingCurve {
  bool is_weak = false;
  ScalingStageName stage = ScalingStageName::kDecode;
  std::string dtype;
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens = 0;
  std::int64_t batch = 0;  // in all, or of each rank
  std::int64_t stages = 1;
  std::vector<CurvePoint> points;  // by ranks
};

// All curves that the options ask for and the points allow, decode first. `result` must outlive
// them.
std::vector<ScalingCurve> CurvesOf(const ScalingResult& result);

// "strong: decode, bf16, batch 8, prompt 128, 32 new tokens", and ", 2 stages" of a pipeline
std::string TitleOf(const ScalingCurve& curve);
// The end of that: empty for one stage.
std::string StagesText(std::int64_t stages);

}  // namespace lockstep
