#include "partition/model/architecture.h"

#include <fmt/format.h>

namespace lockstep {
namespace {

constexpr Architecture kGptJ{
    .qkv_layout = QkvLayout::kSeparate,
    .rotary = RotaryKind::kInterleaved,
    .body = "transformer.",
    .body_class = "GPTJModel",
    .causal_class = "GPTJForCausalLM",
    .embedding = "transformer.wte",
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
    .attention_bias = false,
    .head_bias = true,
    .default_end_token = 50256,
};

constexpr Architecture kGptNeoX{
    .qkv_layout = QkvLayout::kFusedPerHead,
    .rotary = RotaryKind::kHalfSplit,
    .body = "gpt_neox.",
    .body_class = "GPTNeoXModel",
    .causal_class = "GPTNeoXForCausalLM",
    .embedding = "gpt_neox.embed_in",
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
    .attention_bias = true,
    .head_bias = false,
    .default_end_token = 2,
};

}  // namespace

const Architecture& ArchitectureOf(Family family) {
  return family == Family::kGptJ ? kGptJ : kGptNeoX;
}

std::string LayerTensorName(const Architecture& architecture, std::int64_t layer,
                            std::string_view name) {
  return fmt::format(fmt::runtime(architecture.layer_prefix), layer) + std::string(name);
}

}  // namespace lockstep
