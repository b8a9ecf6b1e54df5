// GPT-2: learned positions, attention and MLP one after the other, matrices kept transposed, the LM
// head usually the embedding.
#include "core/error.h"
#include "partition/model/config_fields.h"
#include "partition/model/families/families.h"

namespace lockstep {
namespace {

ModelSpec ReadConfig(const ConfigFields& fields) {
  if (fields.BoolOr("add_cross_attention", false))
    throw BadInput(
        "{}: \"add_cross_attention\" is true: the model reads an encoder's states, which Lockstep "
        "has none of; expected false; take a model that generates text from text alone",
        fields.where());
  ModelSpec spec;
  spec.family = Family::kGpt2;
  spec.layer_count = fields.Int({"n_layer", "num_hidden_layers"});
  spec.d_model = fields.Int({"n_embd", "hidden_size"});
  spec.head_count = fields.Int({"n_head", "num_attention_heads"});
  spec.d_ff = fields.IntOr("n_inner", 4 * spec.d_model);
  spec.vocab_rows = fields.Int({"vocab_size"});
  spec.context_tokens = fields.Int({"n_positions", "max_position_embeddings"});
  spec.norm_epsilon = fields.NumberOr("layer_norm_epsilon", 1e-5);
  spec.gelu = fields.GeluOr("activation_function", "gelu_new");
  // reorder_and_upcast_attn asks for scores in fp32: here they are always.
  spec.scores.by_width = fields.BoolOr("scale_attn_weights", true);
  spec.scores.by_layer = fields.BoolOr("scale_attn_by_inverse_layer_idx", false);
  spec.parallel_residual = false;
  spec.attention_bias = true;
  spec.tied_embeddings = fields.BoolOr("tie_word_embeddings", true);
  return spec;
}

}  // namespace

constinit const Architecture kGpt2{
    .model_type = "gpt2",
    .title = "GPT-2",
    .models = "GPT-2",
    .read_config = ReadConfig,
    .positions = PositionKind::kLearned,
    .rotary = RotaryKind::kHalfSplit,  // of no dims
    .norm = NormKind::kLayerNorm,
    .mlp = MlpKind::kTwoLinears,
    .qkv_storage = QkvStorage::kFusedByPart,
    .linear_storage = LinearStorage::kInputsByOutputs,
    .body = "transformer.",
    .body_class = "GPT2Model",
    .causal_class = "GPT2LMHeadModel",
    .embedding = "transformer.wte",
    .position_table = "transformer.wpe",
    .final_norm = "transformer.ln_f",
    .head = "lm_head",
    .head_alias = "",
    .layer_prefix = "transformer.h.{}.",
    .attention_norm = "ln_1",
    .mlp_norm = "ln_2",
    .qkv = {"attn.c_attn", "", ""},
    .attention_out = "attn.c_proj",
    .mlp_in = "mlp.c_fc",
    .mlp_out = "mlp.c_proj",
    .parallel_residual = {.usual = false, .fixed = true},
    .attention_bias = {.usual = true, .fixed = true},
    .head_bias = false,
    .usual_gelu = GeluKind::kTanh,
    .usually_tied = true,
    .default_end_token = 50256,
};

}  // namespace lockstep
