#include "layers/kernels/cpu/cpu_linear.h"

#include <algorithm>
#include <cmath>

namespace lockstep::cpu {
namespace {

// Outputs of one block: small enough that its results stay in the first-level cache until the
// epilogue has read them.
constexpr std::int64_t kBlockOutputs = 32;
constexpr std::int64_t kBlockTokens = 64;

float Activate(Activation activation, float x) {
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kGeluExact: return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
    case Activation::kGeluTanh:
      return 0.5f * x * (1.0f + std::tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
  }
  return x;
}

}  // namespace

// Products of a few tokens with a few outputs, before bias, activation and store.
struct CpuLinear::Block {
  std::int64_t first_token;
  std::int64_t tokens;
  const float* products;  // [tokens, kBlockOutputs]
};

void CpuLinear::Run(const LinearArgs& args, const Kernels& kernels, ThreadPool& pool) const {
  LOCKSTEP_CHECK(args.x.dim(1) == inputs() && args.y.dim(1) == outputs(), "x {} y {}",
                 args.x.shape().ToString(), args.y.shape().ToString());
  const float* x = args.x.data<float>();
  Tensor rounded;
  if (weight_.view().dtype() == DType::kBF16) {
    rounded = Tensor::OnHost(DType::kF32, args.x.shape());
    kernels.round_to_bf16(x, args.x.elements(), rounded.view().data<float>());
    x = rounded.view().data<float>();
  }
  const std::int64_t blocks = (outputs() + kBlockOutputs - 1) / kBlockOutputs;
  pool.ParallelFor(blocks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block)
      RunBlock(args, x, kernels,
               {block * kBlockOutputs, std::min(outputs(), (block + 1) * kBlockOutputs)});
  });
}

void CpuLinear::RunBlock(const LinearArgs& args, const float* x, const Kernels& kernels,
                         Range outputs) const {
  float products[kBlockTokens * kBlockOutputs];
  const std::int64_t width = inputs();
  const std::int64_t all = args.x.dim(0);
  for (std::int64_t token = 0; token < all; token += kBlockTokens) {
    const std::int64_t tokens = std::min(kBlockTokens, all - token);
    const float* rows = x + token * width;
    if (weight_.view().dtype() == DType::kBF16) {
      const auto* bits = reinterpret_cast<const std::uint16_t*>(weight_.view().data<BFloat16>());
      kernels.linear_bf16(rows, tokens, width, bits + outputs.begin * width, outputs.size(),
                          products, kBlockOutputs);
    } else {
      kernels.linear_f32(rows, tokens, width, weight_.view().data<float>() + outputs.begin * width,
                         outputs.size(), products, kBlockOutputs);
    }
    Finish(args, {token, tokens, products}, outputs);
  }
}

void CpuLinear::Finish(const LinearArgs& args, const Block& block, Range range) const {
  const float* bias = bias_.empty() ? nullptr : bias_.view().data<float>() + range.begin;
  for (std::int64_t t = 0; t < block.tokens; ++t) {
    const float* products = block.products + t * kBlockOutputs;
    float* y = args.y.data<float>() + (block.first_token + t) * outputs() + range.begin;
    for (std::int64_t n = 0; n < range.size(); ++n) {
      const float sum = bias == nullptr ? products[n] : products[n] + bias[n];
      const float result = Activate(args.activation, sum);
      y[n] = args.store == Store::kAdd ? y[n] + result : result;
    }
  }
}

}  // namespace lockstep::cpu
