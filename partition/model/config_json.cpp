#include "partition/model/config_json.h"

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "partition/checkpoint/foreign_weights.h"
#include "partition/checkpoint/formats/tensor_file.h"
#include "partition/model/rope_json.h"

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
  const Json& object() const { return object_; }
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

// Weights that another program quantised, or that transformers would quantise: either way other
// numbers than those of the file.
void RefuseQuantisation(const Json& config, std::string_view where) {
  for (const char* name : {"quantization_config", "compression_config"}) {
    const auto found = config.find(name);
    if (found == config.end() || found->is_null()) continue;
    std::string method = "no method";
    if (found->is_object()) {
      const auto named = found->find("quant_method");
      if (named != found->end() && named->is_string()) method = named->get<std::string>();
      for (const char* bits : {"load_in_8bit", "load_in_4bit"})
        if (method == "no method" && found->contains(bits)) method = "bitsandbytes";
    }
    throw BadInput(
        "{}: \"{}\" names {}: the model is meant to be quantised, which Lockstep does not do that "
        "way; {}; if the weights beside it are not quantised, remove \"{}\" from the file",
        where, name, Quoted(method), kQuantisedRemedy, name);
  }
}

ModelSpec ReadGptJ(const Fields& fields) {
  ModelSpec spec;
  spec.family = Family::kGptJ;
  spec.layer_count = fields.Int({"n_layer", "num_hidden_layers"});
  spec.d_model = fields.Int({"n_embd", "hidden_size"});
  spec.head_count = fields.Int({"n_head", "num_attention_heads"});
  spec.d_ff = fields.IntOr("n_inner", 4 * spec.d_model);
  // GPT-J knows no other key of rotary embeddings, and transformers passes over them as well.
  spec.rotary_dims = fields.IntOr("rotary_dim", 64);
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
  if (spec.head_count > 0) ReadNeoXRope(fields.object(), fields.where(), spec);
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
  RefuseQuantisation(object, where);
  ModelSpec spec = type == Name(Family::kGptJ) ? ReadGptJ(fields) : ReadGptNeoX(fields);
  Validate(spec, where);
  return spec;
}

ModelSpec LoadModelSpec(const std::filesystem::path& folder) {
  RefuseAdapterFolder(folder);
  const auto path = folder / "config.json";
  return ParseConfigJson(ReadFile(path), path.string());
}

}  // namespace lockstep
