#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "partition/model/model_spec.h"

namespace lockstep {

class ConfigFields;

// How the rows of the QKV product are ordered.
enum class QkvLayout : std::uint8_t {
  kSeparate,      // [q, k, v][head][d_head]
  kFusedPerHead,  // [head][q, k, v][d_head]
};

// How a checkpoint keeps the matrices of the QKV projection.
enum class QkvStorage : std::uint8_t {
  kSeparate,      // three, rows [head][d_head] each
  kFusedPerHead,  // one, rows [head][q, k, v][d_head]
  kFusedByPart,   // one, rows [q, k, v][head][d_head]
};

// How a checkpoint keeps a block's matrices. Embeddings and LM heads are [vocab_rows, d_model]
// always.
enum class LinearStorage : std::uint8_t {
  kOutputsByInputs,  // torch.nn.Linear
  kInputsByOutputs,  // transformers' Conv1D: the transposed matrix
};

// How a token's position reaches the model.
enum class PositionKind : std::uint8_t {
  kRotary,   // queries and keys are rotated
  kLearned,  // a row of a table is added to the token's embedding
};

// Which dims of a head are rotated together, with r = rotary_dims.
enum class RotaryKind : std::uint8_t {
  kInterleaved,  // (2i, 2i + 1)
  kHalfSplit,    // (i, i + r/2)
};

enum class NormKind : std::uint8_t {
  kLayerNorm,  // (x - mean) / sqrt(variance + epsilon) * weight + bias
};

enum class MlpKind : std::uint8_t {
  kTwoLinears,  // out(gelu(in(x)))
};

// A switch of ModelSpec. Whether the checkpoints of a family have it all alike, or each as it says.
struct FamilyChoice {
  bool usual;
  bool fixed;
};

// What all checkpoints of a family share, as data. Names of a layer's tensors are relative to
// layer_prefix, in which "{}" stands for the layer's number; an empty name means the family has
// no such tensor. Linears have ".weight" and, where *_bias says so, ".bias".
struct Architecture {
  std::string_view model_type;  // of config.json
  std::string_view title;       // "GPT-J"
  std::string_view models;      // the same, with names under which its models are known
  // Reads what is behind model_type in a config.json; Validate() comes after it. Throws BadInput
  // for fields that would change the result and are not supported.
  ModelSpec (*read_config)(const ConfigFields& fields);

  PositionKind positions;
  RotaryKind rotary;  // of kRotary
  NormKind norm;
  MlpKind mlp;
  QkvStorage qkv_storage;
  LinearStorage linear_storage;

  std::string_view body;        // begins all names but the head's
  std::string_view body_class;  // transformers' classes without and with an LM head
  std::string_view causal_class;
  std::string_view embedding;       // [vocab_rows, d_model]
  std::string_view position_table;  // [context_tokens, d_model], of kLearned
  std::string_view final_norm;
  std::string_view head;  // [vocab_rows, d_model]
  // Another name of the head in state dicts of newer versions of transformers; empty: none.
  std::string_view head_alias;

  std::string_view layer_prefix;
  std::string_view attention_norm;
  std::string_view mlp_norm;  // empty: attention_norm feeds both
  std::string_view qkv[3];    // the first only where they are fused
  std::string_view attention_out;
  std::string_view mlp_in;
  std::string_view mlp_out;

  FamilyChoice parallel_residual;
  FamilyChoice attention_bias;  // of the attention's linears
  bool head_bias;
  GeluKind usual_gelu;
  bool usually_tied;

  std::int32_t default_end_token;  // of a config.json that does not name one
};

const Architecture& ArchitectureOf(Family family);

// The order of a rank's QKV product, whatever the checkpoint's.
QkvLayout ProductLayout(QkvStorage storage);

// "transformer.h.3." + name
std::string LayerTensorName(const Architecture& architecture, std::int64_t layer,
                            std::string_view name);

}  // namespace lockstep
