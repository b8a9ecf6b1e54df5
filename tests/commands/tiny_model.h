#pragma once

namespace lockstep {

// A configuration of a model with random weights, so small that a benchmark of it takes no time.
inline constexpr const char* kTinyModel = R"(
model:
  path: nobody/tiny
  shape:
    family: gpt_neox
    layers: 2
    d_model: 32
    heads: 4
    rotary_dims: 4
    vocab_rows: 100
    context: 64
)";

}  // namespace lockstep
