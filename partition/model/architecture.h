#pragma once

#include <string>
#include <string_view>

#include "partition/model/model_spec.h"

namespace lockstep {

// How the rows of the QKV projection are ordered.
enum class QkvLayout : std::uint8_t {
  kSeparate,      // three matrices, rows [head][d_head] each: stacked as q, k, v
  kFusedPerHead,  // one matrix, rows [head][q, k, v][d_head]
};

// Which dims of a head are rotated together, with r = rotary_dims.
enum class RotaryKind : std::uint8_t {
  kInterleaved,  // (2i, 2i + 1)
  kHalfSplit,    // (i, i + r/2)
};

// What all checkpoints of a family share, as data. Names of a layer's tensors are relative to
// layer_prefix, in which "{}" stands for the layer's number; an empty name means the family has
// no such tensor. Linears have ".weight" and, where *_bias says so, ".bias".
struct Architecture {
  QkvLayout qkv_layout;
  RotaryKind rotary;

  std::string_view body;        // begins all names but the head's
  std::string_view body_class;  // transformers' classes without and with an LM head
  std::string_view causal_class;
  std::string_view embedding;  // [vocab_rows, d_model]
  std::string_view final_norm;
  std::string_view head;  // [vocab_rows, d_model]
  // Another name of the head in state dicts of newer versions of transformers; empty: none.
  std::string_view head_alias;

  std::string_view layer_prefix;
  std::string_view attention_norm;
  std::string_view mlp_norm;  // empty: attention_norm feeds both
  std::string_view qkv[3];    // kFusedPerHead uses the first only
  std::string_view attention_out;
  std::string_view mlp_in;
  std::string_view mlp_out;

  bool attention_bias;  // whether attention linears can have biases (ModelSpec may switch it off)
  bool head_bias;

  std::int32_t default_end_token;  // of a config.json that does not name one
};

const Architecture& ArchitectureOf(Family family);

// "transformer.h.3." + name
std::string LayerTensorName(const Architecture& architecture, std::int64_t layer,
                            std::string_view name);

}  // namespace lockstep
