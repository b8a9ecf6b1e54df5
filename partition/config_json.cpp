#include "partition/config_json.h"

#include <cmath>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace lockstep {
namespace {

// One config.json: the object, its name for messages, and lookups that say what is missing.
class Fields {
 public:
  Fields(const Json& object, std::string_view where) : object_(object), where_(where) {}

  // The first of the names that is present: checkpoints of different ages differ in them.
  std::int64_t Int(std::initializer_list<std::string_view> names) const {
    for (std::string_view name : names)
      if (const auto value = FindInt(object_, name, where_)) return *value;
    throw BadInput("{}: \"{}\" is missing; expected an integer", where_, *names.begin());
  }
  std::int64_t IntOr(std::string_view name, std::int64_t fallback) const {
    return FindInt(object_, name, where_).value_or(fallback);
  }
  double NumberOr(std::string_view name, double fallback) const {
    return FindNumber(object_, name, where_).value_or(fallback);
  }
  bool BoolOr(std::string_view name, bool fallback) const {
    return FindBool(object_, name, where_).value_or(fallback);
  }
  std::string StringOr(std::string_view name, std::string_view fallback) const {
    return FindString(object_, name, where_).value_or(std::string(fallback));
  }
  // A member object; an empty one where it is absent or null.
  Json Object(std::string_view name) const {
    const auto found = object_.find(std::string(name));
    if (found == object_.end() || found->is_null()) return Json::object();
    if (!found->is_object())
      throw BadInput("{}: \"{}\" is {}; expected an object", where_, name, DumpJson(*found));
    return *found;
  }
  std::string_view where() const { return where_; }

 private:
  const Json& object_;
  std::string_view where_;
};

GeluKind ParseActivation(std::string_view name, std::string_view where) {
  if (name == "gelu" || name == "gelu_python") return GeluKind::kExact;
  // Three spellings of the same formula in transformers' ACT2FN.
  if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh")
    return GeluKind::kTanh;
  throw BadInput(
      "{}: activation \"{}\" is not supported; expected gelu, gelu_new, gelu_fast or "
      "gelu_pytorch_tanh",
      where, name);
}

void RefuseScaledRotary(const Json& rope, std::string_view where) {
  for (std::string_view key : {"rope_type", "type"}) {
    const std::string type = FindString(rope, key, where).value_or("default");
    if (type != "default")
      throw BadInput("{}: rotary embeddings of type \"{}\" are not supported; expected \"default\"",
                     where, type);
  }
}

ModelSpec ReadGptJ(const Fields& fields) {
  ModelSpec spec;
  spec.family = Family::kGptJ;
  spec.layer_count = fields.Int({"n_layer", "num_hidden_layers"});
  spec.d_model = fields.Int({"n_embd", "hidden_size"});
  spec.head_count = fields.Int({"n_head", "num_attention_heads"});
  spec.d_ff = fields.IntOr("n_inner", 4 * spec.d_model);
  spec.rotary_dims = fields.Int({"rotary_dim"});
  spec.vocab_rows = fields.Int({"vocab_size"});
  spec.context_tokens = fields.Int({"n_positions", "max_position_embeddings"});
  spec.norm_epsilon = fields.NumberOr("layer_norm_epsilon", 1e-5);
  spec.gelu = ParseActivation(fields.StringOr("activation_function", "gelu_new"), fields.where());
  spec.parallel_residual = true;
  spec.attention_bias = false;
  spec.tied_embeddings = fields.BoolOr("tie_word_embeddings", false);
  return spec;
}

ModelSpec ReadGptNeoX(const Fields& fields) {
  ModelSpec spec;
  spec.family = Family::kGptNeoX;
  spec.layer_count = fields.Int({"num_hidden_layers"});
  spec.d_model = fields.Int({"hidden_size"});
  spec.head_count = fields.Int({"num_attention_heads"});
  spec.d_ff = fields.Int({"intermediate_size"});
  spec.vocab_rows = fields.Int({"vocab_size"});
  spec.context_tokens = fields.Int({"max_position_embeddings"});
  spec.norm_epsilon = fields.NumberOr("layer_norm_eps", 1e-5);
  spec.gelu = ParseActivation(fields.StringOr("hidden_act", "gelu"), fields.where());
  spec.parallel_residual = fields.BoolOr("use_parallel_residual", true);
  spec.attention_bias = fields.BoolOr("attention_bias", true);
  RefuseScaledRotary(fields.Object("rope_scaling"), fields.where());

  // transformers 5 moved both numbers into rope_parameters; 4 and older name them at the top.
  const Json rope = fields.Object("rope_parameters");
  RefuseScaledRotary(rope, fields.where());
  const Fields newer(rope, fields.where());
  spec.rotary_base = newer.NumberOr(
      "rope_theta", fields.NumberOr("rope_theta", fields.NumberOr("rotary_emb_base", 10000.0)));
  const double fraction =
      newer.NumberOr("partial_rotary_factor",
                     fields.NumberOr("partial_rotary_factor", fields.NumberOr("rotary_pct", 0.25)));
  if (!(fraction >= 0.0 && fraction <= 1.0))
    throw BadInput("{}: the rotary fraction is {}; expected 0 to 1", fields.where(), fraction);
  if (spec.head_count > 0)
    spec.rotary_dims = static_cast<std::int64_t>(
        std::floor(static_cast<double>(spec.d_model / spec.head_count) * fraction));
  spec.tied_embeddings = fields.BoolOr("tie_word_embeddings", false);
  return spec;
}

}  // namespace

ModelSpec ParseConfigJson(std::string_view text, std::string_view where) {
  const Json object = ParseJson(text, where);
  if (!object.is_object()) throw BadInput("{}: expected a JSON object", where);
  const Fields fields(object, where);
  const std::string type = fields.StringOr("model_type", "");
  if (type != Name(Family::kGptJ) && type != Name(Family::kGptNeoX))
    throw BadInput(
        "{}: model_type \"{}\" is not supported; expected \"gptj\" (GPT-J) or \"gpt_neox\" "
        "(GPT-NeoX, Pythia)",
        where, type);
  ModelSpec spec = type == Name(Family::kGptJ) ? ReadGptJ(fields) : ReadGptNeoX(fields);
  Validate(spec, where);
  return spec;
}

ModelSpec LoadModelSpec(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  return ParseConfigJson(ReadFile(path), path.string());
}

}  // namespace lockstep
