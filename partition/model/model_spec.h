#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "partition/model/rope.h"

namespace lockstep {

enum class Family : std::uint8_t { kGptJ, kGptNeoX, kGpt2 };
inline constexpr std::array kFamilies = {Family::kGptJ, Family::kGptNeoX, Family::kGpt2};  // all

enum class GeluKind : std::uint8_t {
  kExact,  // x * Phi(x), with erf
  kTanh    // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
};

// "gptj", "gpt_neox", "gpt2": the model_type of config.json.
std::string_view Name(Family family);
std::string_view Name(GeluKind kind);  // "exact", "tanh"

// What attention divides a query's product with a key by, before the softmax.
struct ScoreScale {
  bool by_width = true;   // sqrt(d_head)
  bool by_layer = false;  // the number of the layer, counted from 1

  bool operator==(const ScoreScale&) const = default;
};

// The shape of a model: everything about it that is a number, and the choices a checkpoint of one
// family can make. What is fixed for a family stands in architecture.h.
struct ModelSpec {
  Family family = Family::kGptNeoX;
  std::int64_t layer_count = 0;
  std::int64_t d_model = 0;
  std::int64_t head_count = 0;
  // Heads of keys and values; 0: head_count. Fewer, shared by groups of heads, are not supported.
  std::int64_t kv_head_count = 0;
  std::int64_t head_width = 0;  // 0: d_model / head_count
  std::int64_t d_ff = 0;
  std::int64_t rotary_dims = 0;     // rotated dims at the start of each head; even
  Rope rope;                        // their frequencies
  std::int64_t vocab_rows = 0;      // rows of the embedding, padding included
  std::int64_t context_tokens = 0;  // longest sequence, prompt and continuation together
  double norm_epsilon = 1e-5;
  GeluKind gelu = GeluKind::kExact;
  ScoreScale scores;
  bool parallel_residual = true;  // attention and MLP read the same x: one all-reduce per block
  bool attention_bias = true;     // of the QKV and output projections
  bool tied_embeddings = false;   // the LM head reuses the embedding matrix

  std::int64_t d_head() const { return head_width > 0 ? head_width : d_model / head_count; }
  std::int64_t attention_width() const { return head_count * d_head(); }  // of queries; or keys
  bool operator==(const ModelSpec&) const = default;
};

// Throws BadInput naming `where`, the field, its value and what was expected, when the numbers
// cannot belong together (heads that do not divide d_model, odd rotary dims, zero layers, sizes
// past 2^40 elements, ...).
void Validate(const ModelSpec& spec, std::string_view where);

}  // namespace lockstep
