#include "bench/scaling/scaling_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bench/bench_report.h"
#include "bench/scaling/scaling_figures.h"
#include "core/error.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson StageJson(const ScalingStage& stage) {
  const StageFigures figures = FiguresOf(stage);
  OrderedJson json{{"work", {{"tokens", stage.tokens}, {"steps", stage.steps}}},
                   {"seconds", FigureJson(stage.seconds)},
                   {"tokens_per_second", FigureJson(figures.tokens_per_second)},
                   {"step_ms", FigureJson(figures.step_ms)}};
  if (stage.ranks.empty()) return json;
  json["communication_share"] = FigureJson(figures.communication_share);
  json["waiting_share"] = FigureJson(figures.waiting_share);
  json["imbalance"] = FigureJson(figures.imbalance);
  json["split_over_time"] = FigureJson(figures.split_over_time);
  OrderedJson split = OrderedJson::array();
  for (std::size_t rank = 0; rank < stage.ranks.size(); ++rank) {
    OrderedJson one{{"rank", rank}};
    for (const SplitPart& part : kSplitParts) one[part.field] = stage.ranks[rank].*part.rounds;
    split.push_back(std::move(one));
  }
  json["split_seconds"] = std::move(split);
  return json;
}

// `bench compare` tells a point by its words and whole numbers.
OrderedJson PointJson(const ScalingPoint& point) {
  OrderedJson json{{"dtype", point.key.dtype}, {"ranks", point.key.ranks}};
  if (point.key.stages > 1) json[kStagesField] = point.key.stages;
  json.update({{"sequences", point.key.sequences},
               {"prompt_tokens", point.key.prompt_tokens},
               {"new_tokens", point.key.new_tokens},
               {"threads_per_rank", point.threads},
               {"oversubscribed", point.is_oversubscribed},
               {"prefill", StageJson(point.prefill)},
               {"decode", StageJson(point.decode)}});
  return json;
}

OrderedJson CurveJson(const ScalingCurve& curve) {
  OrderedJson points = OrderedJson::array();
  for (const CurvePoint& one : curve.points)
    points.push_back({{"ranks", one.point->key.ranks},
                      {"oversubscribed", one.point->is_oversubscribed},
                      {"speedup", FigureJson(one.speedup)},
                      {"efficiency", FigureJson(one.efficiency)}});
  OrderedJson json{{"scaling", curve.is_weak ? "weak" : "strong"},
                   {"stage", Name(curve.stage)},
                   {"dtype", curve.dtype}};
  if (curve.stages > 1) json[kStagesField] = curve.stages;
  json[curve.is_weak ? "sequences_per_rank" : "sequences"] = curve.batch;
  json["prompt_tokens"] = curve.prompt_tokens;
  json["new_tokens"] = curve.new_tokens;
  json["points"] = std::move(points);
  return json;
}

ScalingStage ReadStage(const Json& json) {
  ScalingStage stage{.tokens = json.at("work").at("tokens"),
                     .steps = json.at("work").at("steps"),
                     .seconds = json.at("seconds").at("rounds").get<std::vector<double>>(),
                     .ranks = {}};
  if (!json.contains("split_seconds")) return stage;
  for (const Json& one : json.at("split_seconds")) {
    RankSplit& split = stage.ranks.emplace_back();
    for (const SplitPart& part : kSplitParts) {
      std::vector<double>& rounds = split.*part.rounds;
      rounds = one.at(part.field).get<std::vector<double>>();
      if (rounds.size() != stage.seconds.size())
        throw BadInput("{} rounds of {} where {} are expected", rounds.size(), part.field,
                       stage.seconds.size());
    }
  }
  return stage;
}

ScalingPoint ReadPoint(const Json& json) {
  return {.key = {.dtype = json.at("dtype"),
                  .prompt_tokens = json.at("prompt_tokens"),
                  .new_tokens = json.at("new_tokens"),
                  .stages = json.value(kStagesField, std::int64_t{1}),
                  .sequences = json.at("sequences"),
                  .ranks = json.at("ranks")},
          .threads = json.at("threads_per_rank"),
          .is_oversubscribed = json.at("oversubscribed"),
          .prefill = ReadStage(json.at("prefill")),
          .decode = ReadStage(json.at("decode"))};
}

// The rank's parts in a round, each empty where there is no split.
std::string CsvParts(const ScalingStage& stage, std::size_t rank, std::size_t round) {
  std::string text;
  for (const SplitPart& part : kSplitParts)
    text += stage.ranks.empty() ? std::string(",")
                                : fmt::format(",{}", (stage.ranks[rank].*part.rounds)[round]);
  return text;
}

void AddCsv(const ScalingPoint& point, ScalingStageName name, std::string& text) {
  const ScalingStage& stage = StageOf(point, name);
  const ScalingKey& key = point.key;
  for (std::size_t round = 0; round < stage.seconds.size(); ++round)
    for (std::size_t rank = 0; rank < std::max<std::size_t>(stage.ranks.size(), 1); ++rank)
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}{}\n", Name(name), key.dtype,
                          key.ranks, key.stages, point.threads, point.is_oversubscribed ? 1 : 0,
                          key.sequences, key.prompt_tokens, key.new_tokens, round + 1, rank,
                          stage.tokens, stage.steps, stage.seconds[round],
                          CsvParts(stage, rank, round));
}

}  // namespace

std::string ScalingJson(const ScalingResult& result) {
  OrderedJson points = OrderedJson::array();
  for (const ScalingPoint& point : result.points) points.push_back(PointJson(point));
  OrderedJson curves = OrderedJson::array();
  for (const ScalingCurve& curve : CurvesOf(result)) curves.push_back(CurveJson(curve));
  const OrderedJson json{{"benchmark", "scaling"},
                         {"about", result.about},
                         {"model", result.model},
                         {"weights", result.weights},
                         {"interrupted", result.is_interrupted},
                         {"points", std::move(points)},
                         {"curves", std::move(curves)}};
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

ScalingResult ReadScaling(const Json& json, std::string_view where) {
  try {
    if (json.at("benchmark") != "scaling")
      throw BadInput("a result of {}", ShownJson(json.at("benchmark")));
    ScalingResult result{.about = json.at("about"),
                         .model = json.at("model"),
                         .weights = json.at("weights"),
                         .options = {},
                         .points = {},
                         .is_interrupted = json.at("interrupted")};
    for (const Json& point : json.at("points")) result.points.push_back(ReadPoint(point));
    return result;
  } catch (const Json::exception& error) {
    throw BadInput("{}: no result of bench scaling: {}", where, error.what());
  } catch (const Error& error) {
    throw BadInput("{}: no result of bench scaling: {}", where, error.what());
  }
}

std::string ScalingCsv(const ScalingResult& result) {
  std::string text =
      "stage,dtype,ranks,pipeline_stages,threads_per_rank,oversubscribed,sequences,prompt_tokens,"
      "new_tokens,round,rank,tokens,steps,seconds";
  for (const SplitPart& part : kSplitParts) text += fmt::format(",{}_s", part.field);
  text += "\n";
  for (const ScalingPoint& point : result.points)
    for (const ScalingStageName stage : {ScalingStageName::kPrefill, ScalingStageName::kDecode})
      AddCsv(point, stage, text);
  return text;
}

}  // namespace lockstep
