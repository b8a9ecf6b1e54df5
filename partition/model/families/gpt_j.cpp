// GPT-J: rotary positions by neighbouring dims, one norm for attention and MLP side by side.
#include "partition/model/config_fields.h"
#include "partition/model/families/families.h"

namespace lockstep {
namespace {

ModelSpec ReadConfig(const ConfigFields& fields) {
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
  spec.gelu = fields.GeluOr("activation_function", "gelu_new");
  spec.parallel_residual = true;
  spec.attention_bias = false;
  spec.tied_embeddings = fields.BoolOr("tie_word_embeddings", false);
  return spec;
}

}  // namespace

constinit const Architecture kGptJ{
    .model_type = "gptj",
    .title = "GPT-J",
    .models = "GPT-J",
    .read_config = ReadConfig,
    .positions = PositionKind::kRotary,
    .rotary = RotaryKind::kInterleaved,
    .norm = NormKind::kLayerNorm,
    .mlp = MlpKind::kTwoLinears,
    .qkv_storage = QkvStorage::kSeparate,
    .linear_storage = LinearStorage::kOutputsByInputs,
    .body = "transformer.",
    .body_class = "GPTJModel",
    .causal_class = "GPTJForCausalLM",
    .embedding = "transformer.wte",
    .position_table = "",
    .final_norm = "transformer.ln_f",
    .head = "lm_head",
    .head_alias = "",
    .layer_prefix = "transformer.h.{}.",
    .attention_norm = "ln_1",
    .mlp_norm = "",
    .qkv = {"attn.q_proj", "attn.k_proj", "attn.v_proj"},
    .attention_out = "attn.out_proj",
    .mlp_in = "mlp.fc_in",
    .mlp_out = "mlp.fc_out",
    .parallel_residual = {.usual = true, .fixed = true},
    .attention_bias = {.usual = false, .fixed = true},
    .head_bias = true,
    .usual_gelu = GeluKind::kTanh,
    .usually_tied = false,
    .default_end_token = 50256,
};

}  // namespace lockstep
