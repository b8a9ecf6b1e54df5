#include "partition/model/rope_json.h"

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::array<std::pair<std::string_view, RopeType>, 5> kTypes = {{
    {"default", RopeType::kDefault},
    {"linear", RopeType::kLinear},
    {"dynamic", RopeType::kDynamic},
    {"yarn", RopeType::kYarn},
    {"llama3", RopeType::kLlama3},
}};

// The object that counts; an empty one where neither stands in the file.
Json RopeObject(const Json& config, std::string_view where) {
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const auto found = config.find(name);
    if (found == config.end() || found->is_null()) continue;
    if (!found->is_object())
      throw BadInput("{}: \"{}\" is {}; expected an object", where, name, DumpJson(*found));
    if (!found->empty()) return *found;
  }
  return Json::object();
}

class RopeReader {
 public:
  RopeReader(const Json& config, std::int64_t context_tokens, std::string_view where)
      : config_(config),
        object_(RopeObject(config, where)),
        context_tokens_(static_cast<double>(context_tokens)),
        where_(where) {}

  Rope Read() const {
    Rope rope;
    rope.type = Type();
    rope.base = Find("rope_theta").value_or(Outside("rotary_emb_base").value_or(10000.0));
    RequirePositive(rope.base, "rotary base");
    if (rope.type == RopeType::kYarn) ReadYarn(rope);
    if (rope.type == RopeType::kLinear || rope.type == RopeType::kDynamic)
      rope.factor = Require("factor");
    if (rope.type == RopeType::kLlama3) ReadLlama3(rope);
    RequirePositive(rope.factor, "the rotary \"factor\"");
    return rope;
  }

  // Not yet rounded to whole pairs.
  std::int64_t Dims(std::int64_t d_head) const {
    const double fraction =
        Find("partial_rotary_factor").value_or(Outside("rotary_pct").value_or(0.25));
    if (!(fraction >= 0.0 && fraction <= 1.0))
      throw BadInput("{}: the rotary fraction is {}; expected 0 to 1", where_, fraction);
    // A head_dim counts for the frequencies alone: heads are as wide as d_model allows.
    const std::int64_t width = FindInt(config_, "head_dim", where_).value_or(0);
    if (width < 0 || width > d_head)
      throw BadInput("{}: \"head_dim\" is {}; expected {}, the width of a head", where_, width,
                     d_head);
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(width > 0 ? width : d_head) * fraction));
  }

 private:
  std::optional<double> Find(std::string_view name) const {
    return FindNumber(object_, name, where_);
  }
  std::optional<double> Outside(std::string_view name) const {
    return FindNumber(config_, name, where_);
  }
  double Require(std::string_view name) const {
    if (const auto value = Find(name)) return *value;
    throw BadInput("{}: rotary embeddings of type \"{}\" need \"{}\"; expected a number", where_,
                   TypeName(), name);
  }
  void RequirePositive(double value, std::string_view what) const {
    if (!(std::isfinite(value) && value > 0.0))
      throw BadInput("{}: {} is {}; expected a positive number", where_, what, value);
  }

  std::string TypeName() const {
    const auto name = FindString(object_, "rope_type", where_);
    return name ? *name : FindString(object_, "type", where_).value_or("default");
  }

  RopeType Type() const {
    const std::string name = TypeName();
    for (const auto& [known, type] : kTypes)
      if (known == name) return type;
    throw BadInput(
        "{}: rotary embeddings of type \"{}\" are not supported; expected \"default\", "
        "\"linear\", \"dynamic\", \"yarn\" or \"llama3\"",
        where_, name);
  }

  // Outside of the object it has the last word.
  double OriginalContext() const {
    constexpr std::string_view kName = "original_max_position_embeddings";
    const double tokens = Outside(kName).value_or(Find(kName).value_or(context_tokens_));
    RequirePositive(tokens, kName);
    return tokens;
  }

  void ReadYarn(Rope& rope) const {
    rope.original_context_tokens = OriginalContext();
    rope.factor = Find("factor").value_or(context_tokens_ / rope.original_context_tokens);
    const auto scale = [&](double mscale) {
      return rope.factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(rope.factor) + 1.0;
    };
    const double mscale = Find("mscale").value_or(0.0);
    const double mscale_all = Find("mscale_all_dim").value_or(0.0);
    const double inferred =
        mscale != 0.0 && mscale_all != 0.0 ? scale(mscale) / scale(mscale_all) : scale(1.0);
    rope.attention_factor = Find("attention_factor").value_or(inferred);
    const auto or_default = [&](std::string_view name, double fallback) {
      const double value = Find(name).value_or(fallback);
      return value == 0.0 ? fallback : value;
    };
    rope.beta_fast = or_default("beta_fast", rope.beta_fast);
    rope.beta_slow = or_default("beta_slow", rope.beta_slow);
    rope.whole_ramp = FindBool(object_, "truncate", where_).value_or(true);
    RequirePositive(rope.beta_fast, "beta_fast");
    RequirePositive(rope.beta_slow, "beta_slow");
    RequirePositive(rope.attention_factor, "the attention factor of yarn");
    if (rope.base <= 1.0)
      throw BadInput("{}: rotary base is {}; expected more than 1 with the type \"yarn\"", where_,
                     rope.base);
  }

  void ReadLlama3(Rope& rope) const {
    rope.factor = Require("factor");
    rope.original_context_tokens = OriginalContext();
    rope.low_frequency_factor = Require("low_freq_factor");
    rope.high_frequency_factor = Require("high_freq_factor");
    RequirePositive(rope.low_frequency_factor, "low_freq_factor");
    if (!(rope.high_frequency_factor > rope.low_frequency_factor &&
          std::isfinite(rope.high_frequency_factor)))
      throw BadInput("{}: \"high_freq_factor\" is {}; expected more than low_freq_factor, {}",
                     where_, rope.high_frequency_factor, rope.low_frequency_factor);
  }

  const Json& config_;
  Json object_;
  double context_tokens_;
  std::string_view where_;
};

}  // namespace

void ReadNeoXRope(const Json& config, std::string_view where, ModelSpec& spec) {
  const RopeReader reader(config, spec.context_tokens, where);
  const std::int64_t dims = reader.Dims(spec.d_head());
  spec.rope = reader.Read();
  spec.rope.odd_dims = dims % 2 != 0;
  spec.rotary_dims = dims + dims % 2;
  if (spec.rope.type == RopeType::kDynamic && dims == 2)
    throw BadInput("{}: rotary embeddings of type \"dynamic\" need more than 2 dims", where);
  if (spec.rope.type == RopeType::kYarn && spec.rope.odd_dims)
    throw BadInput("{}: {} rotary dims with the type \"yarn\"; expected an even number", where,
                   dims);
}

}  // namespace lockstep
