#pragma once

#include <cstdint>

namespace lockstep::cuda {

// Of what order the sums of products, of attention and over the ranks are.
//   kQuickest  what is the quickest for the rows of a step: kernels of our own or cuBLAS, one kind
//              of attention for prompts and another for single tokens, peers' memory or NCCL
//   kFixed     one for all, whatever the batch, the chunks of prompts, and 1, 2, 4 or 8 ranks
enum class SumOrder : std::uint8_t { kQuickest, kFixed };

}  // namespace lockstep::cuda
