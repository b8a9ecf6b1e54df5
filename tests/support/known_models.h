#pragma once

#include "partition/model/model_spec.h"

namespace lockstep {

// Shapes of published models; a test that wants an odd one changes what it needs.

inline ModelSpec Pythia(std::int64_t layers, std::int64_t d_model, std::int64_t heads,
                        std::int64_t vocab_rows = 50304) {
  ModelSpec spec;
  spec.family = Family::kGptNeoX;
  spec.layer_count = layers;
  spec.d_model = d_model;
  spec.head_count = heads;
  spec.d_ff = 4 * d_model;
  spec.rotary_dims = d_model / heads / 4;
  spec.vocab_rows = vocab_rows;
  spec.context_tokens = 2048;
  return spec;
}

inline ModelSpec GptJ6B() {
  ModelSpec spec = Pythia(28, 4096, 16, 50400);
  spec.family = Family::kGptJ;
  spec.gelu = GeluKind::kTanh;
  spec.attention_bias = false;
  return spec;
}

inline ModelSpec Gpt2(std::int64_t layers, std::int64_t d_model, std::int64_t heads) {
  ModelSpec spec = Pythia(layers, d_model, heads, 50257);
  spec.family = Family::kGpt2;
  spec.rotary_dims = 0;
  spec.context_tokens = 1024;
  spec.gelu = GeluKind::kTanh;
  spec.parallel_residual = false;
  spec.tied_embeddings = true;
  return spec;
}

}  // namespace lockstep
