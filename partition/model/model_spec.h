#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "partition/model/rope.h"

namespace lockstep {

enum class Family : std::uint8_t { kGptJ, kGptNeoX };
enum class GeluKind : std::uint8_t {
  kExact,  // x * Phi(x), with erf
  kTanh    // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
};

// "gptj", "gpt_neox": the model_type of config.json.
std::string_view Name(Family family);
std::string_view Name(GeluKind kind);  // "exact", "tanh"

// The shape of a model: everything about it that is a number, and the choices a checkpoint of one
// family can make. What is fixed for a family stands in architecture.h.
struct ModelSpec {
  Family family = Family::kGptNeoX;
  std::int64_t layer_count = 0;
  std::int64_t d_model = 0;
  std::int64_t head_count = 0;
  std::int64_t d_ff = 0;
  std::int64_t rotary_dims = 0;     // rotated dims at the start of each head; even
  Rope rope;                        // their frequencies
  std::int64_t vocab_rows = 0;      // rows of the embedding, padding included
  std::int64_t context_tokens = 0;  // longest sequence, prompt and continuation together
  double norm_epsilon = 1e-5;
  GeluKind gelu = GeluKind::kExact;
  bool parallel_residual = true;  // attention and MLP read the same x: one all-reduce per block
  bool attention_bias = true;     // GPT-NeoX only: biases of the QKV and output projections
  bool tied_embeddings = false;   // the LM head reuses the embedding matrix

  std::int64_t d_head() const { return d_model / head_count; }
  bool operator==(const ModelSpec&) const = default;
};

// Throws BadInput naming `where`, the field, its value and what was expected, when the numbers
// cannot belong together (heads that do not divide d_model, odd rotary dims, zero layers, sizes
// past 2^40 elements, ...).
void Validate(const ModelSpec& spec, std::string_view where);

}  // namespace lockstep
