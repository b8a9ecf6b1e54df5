#include "planning/fit/measurements.h"

#include "core/error.h"

namespace lockstep {
namespace {

[[noreturn]] void RefuseMissing(std::string_view what, std::string_view where) {
  throw BadInput(
      "{}: {} is missing; expected a result of lockstep bench decode, prefill, batch, comm or "
      "scaling with --json",
      where, what);
}

template <typename T>
T Needed(const std::optional<T>& value, std::string_view key, std::string_view where) {
  if (!value) RefuseMissing(key, where);
  return *value;
}

std::int64_t NeededInt(const Json& object, std::string_view key, std::string_view where) {
  return Needed(FindInt(object, key, where), key, where);
}

// From 1 on: what is outside cannot have been measured.
std::int64_t NeededCount(const Json& object, std::string_view key, std::string_view where,
                         std::int64_t most = 1 << 20) {
  const std::int64_t count = NeededInt(object, key, where);
  if (count < 1 || count > most)
    throw BadInput("{}: {} is {}; expected an integer from 1 to {}", where, key, count, most);
  return count;
}

// The middle of the rounds.
double Median(const Json& object, const char* key, std::string_view where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) RefuseMissing(key, where);
  const double median = Needed(FindNumber(*found, "median", where), "median", where);
  if (!(median > 0.0))
    throw BadInput("{}: {} is {}; expected a number above 0", where, key, median);
  return median;
}

// How far the rounds are apart; 0 where the result does not say.
double SpreadOf(const Json& figure, double median, std::string_view where) {
  const double least = FindNumber(figure, "min", where).value_or(median);
  const double most = FindNumber(figure, "max", where).value_or(median);
  if (least > median || most < median)
    throw BadInput("{}: the median {} is not between min {} and max {}", where, median, least,
                   most);
  return (most - least) / median;
}

WeightFormat FormatOf(const Json& result, std::string_view where) {
  const std::string name = Needed(FindString(result, "dtype", where), "dtype", where);
  for (const WeightFormat format : kWeightFormats)
    if (Name(format) == name) return format;
  throw BadInput("{}: dtype is {}; expected fp32, bf16, fp16, fp8, int8 or int4", where, name);
}

SpeedPoint SharedBy(const Json& result, std::string_view where, const ResultContext& context) {
  const WeightFormat format = FormatOf(result, where);
  SpeedPoint shared;
  const std::int64_t ranks = NeededCount(result, "ranks", where);
  const char* const stages_key = "pipeline_stages";
  const std::int64_t stages =
      result.contains(stages_key) ? NeededCount(result, stages_key, where) : 1;
  if (ranks % stages != 0)
    throw BadInput("{}: {} ranks in {} stages; expected as many ranks in each", where, ranks,
                   stages);
  shared.layout = {.tp = ranks / stages,
                   .pp = stages,
                   .threads = NeededCount(result, "threads_per_rank", where),
                   .format = format,
                   .cache_dtype = context.cache_dtype.value_or(TableDType(format))};
  shared.load.max_step_tokens = context.max_step_tokens;
  return shared;
}

// `one` has the texts; `speed`, which may be the same, has the figure.
void AddSpeed(const std::string& kind, const Json& one, const Json& speed, std::string_view where,
              const SpeedPoint& shared, Measurements& measurements) {
  SpeedPoint point = shared;
  point.of_prompts = kind == "prefill";
  point.load.texts = NeededCount(one, "sequences", where);
  point.load.prompt_tokens = NeededCount(one, "prompt_tokens", where);
  point.load.new_tokens = point.of_prompts ? 0 : NeededCount(one, "new_tokens", where);
  point.tokens_per_second = Median(speed, "tokens_per_second", where);
  point.spread = SpreadOf(speed["tokens_per_second"], point.tokens_per_second, where);
  const std::int64_t stages = point.layout.pp;
  point.name = fmt::format("{} {}, {}{} x {}, {} x ({}, {})", kind, Name(point.layout.format),
                           stages == 1 ? "" : fmt::format("{} stages of ", stages), point.layout.tp,
                           point.layout.threads, point.load.texts, point.load.prompt_tokens,
                           point.load.new_tokens);
  measurements.speeds.push_back(std::move(point));
}

// A point of `bench scaling`: its prompts, then its new tokens. Ranks that share cores are left
// out: a description knows no such machine.
void AddScalingPoint(const Json& point, std::string_view where, const ResultContext& context,
                     Measurements& measurements) {
  if (FindBool(point, "oversubscribed", where).value_or(false)) return;
  const SpeedPoint shared = SharedBy(point, where, context);
  for (const char* stage : {"prefill", "decode"}) {
    const auto found = point.find(stage);
    if (found == point.end() || !found->is_object()) RefuseMissing(stage, where);
    AddSpeed(stage, point, *found, where, shared, measurements);
  }
}

const Json& NeededList(const Json& result, const char* key, std::string_view where) {
  const auto found = result.is_object() ? result.find(key) : result.end();
  if (found == result.end() || !found->is_array() || found->empty())
    RefuseMissing(fmt::format("a list of {}", key), where);
  for (const Json& one : *found)
    if (!one.is_object()) RefuseMissing(fmt::format("an object in {}", key), where);
  return *found;
}

// "pythia-160m" of "EleutherAI/pythia-160m", "./pythia-160m/" and "configs/pythia-160m.yaml".
std::string_view BareName(std::string_view model) {
  while (model.ends_with('/')) model.remove_suffix(1);
  model.remove_prefix(model.rfind('/') + 1);
  if (model.ends_with(".yaml")) model.remove_suffix(5);
  return model;
}

// All-reduces are of no model.
void CheckModel(const Json& result, std::string_view where, const ResultContext& context) {
  const std::string found = FindString(result, "model", where).value_or("");
  if (found.empty() || context.model.empty() || BareName(found) == BareName(context.model)) return;
  throw BadInput("{}: is of the model \"{}\"; expected results of \"{}\", which is planned for",
                 where, found, context.model);
}

}  // namespace

void AddResult(const Json& result, std::string_view where, const ResultContext& context,
               Measurements& measurements) {
  if (result.is_object()) CheckModel(result, where, context);
  if (result.is_object() && FindString(result, "benchmark", where) == "scaling") {
    for (const Json& point : NeededList(result, "points", where))
      AddScalingPoint(point, where, context, measurements);
    return;
  }
  const Json& cases = NeededList(result, "cases", where);
  if (FindString(cases.front(), "benchmark", where) == "comm") {
    const std::int64_t ranks = NeededCount(result, "ranks", where);
    for (const Json& one : cases)
      measurements.reduces.push_back(
          {.ranks = ranks,
           .bytes = static_cast<double>(NeededCount(one, "bytes", where, std::int64_t{1} << 40)),
           // What a step has to wait for, where the result has it.
           .seconds = 1e-6 * Median(one, one.contains("in_step_us") ? "in_step_us" : "lockstep_us",
                                    where)});
    return;
  }
  const SpeedPoint shared = SharedBy(result, where, context);
  for (const Json& one : cases)
    AddSpeed(Needed(FindString(one, "benchmark", where), "benchmark", where), one, one, where,
             shared, measurements);
}

}  // namespace lockstep
