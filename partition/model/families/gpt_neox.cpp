// GPT-NeoX, Pythia among them: rotary positions by halves, attention and MLP side by side or one
// after the other, each with a norm of its own.
#include "partition/model/config_fields.h"
#include "partition/model/families/families.h"
#include "partition/model/rope_json.h"

namespace lockstep {
namespace {

ModelSpec ReadConfig(const ConfigFields& fields) {
  ModelSpec spec;
  spec.family = Family::kGptNeoX;
  spec.layer_count = fields.Int({"num_hidden_layers"});
  spec.d_model = fields.Int({"hidden_size"});
  spec.head_count = fields.Int({"num_attention_heads"});
  spec.d_ff = fields.Int({"intermediate_size"});
  spec.vocab_rows = fields.Int({"vocab_size"});
  spec.context_tokens = fields.Int({"max_position_embeddings"});
  spec.norm_epsilon = fields.NumberOr("layer_norm_eps", 1e-5);
  spec.gelu = fields.GeluOr("hidden_act", "gelu");
  spec.parallel_residual = fields.BoolOr("use_parallel_residual", true);
  spec.attention_bias = fields.BoolOr("attention_bias", true);
  if (spec.head_count > 0) ReadNeoXRope(fields.object(), fields.where(), spec);
  spec.tied_embeddings = fields.BoolOr("tie_word_embeddings", false);
  return spec;
}

}  // namespace

constinit const Architecture kGptNeoX{
    .model_type = "gpt_neox",
    .title = "GPT-NeoX",
    .models = "GPT-NeoX, Pythia",
    .read_config = ReadConfig,
    .positions = PositionKind::kRotary,
    .rotary = RotaryKind::kHalfSplit,
    .norm = NormKind::kLayerNorm,
    .mlp = MlpKind::kTwoLinears,
    .qkv_storage = QkvStorage::kFusedPerHead,
    .linear_storage = LinearStorage::kOutputsByInputs,
    .body = "gpt_neox.",
    .body_class = "GPTNeoXModel",
    .causal_class = "GPTNeoXForCausalLM",
    .embedding = "gpt_neox.embed_in",
    .position_table = "",
    .final_norm = "gpt_neox.final_layer_norm",
    .head = "embed_out",
    .head_alias = "lm_head",
    .layer_prefix = "gpt_neox.layers.{}.",
    .attention_norm = "input_layernorm",
    .mlp_norm = "post_attention_layernorm",
    .qkv = {"attention.query_key_value", "", ""},
    .attention_out = "attention.dense",
    .mlp_in = "mlp.dense_h_to_4h",
    .mlp_out = "mlp.dense_4h_to_h",
    .parallel_residual = {.usual = true, .fixed = false},
    .attention_bias = {.usual = true, .fixed = false},
    .head_bias = false,
    .usual_gelu = GeluKind::kExact,
    .usually_tied = false,
    .default_end_token = 2,
};

}  // namespace lockstep
