#include "layers/decoder.h"

#include <algorithm>
#include <utility>

namespace lockstep {

// Grown when a larger batch comes and kept: the steps of a run are alike.
struct Decoder::Workspace {
  Backend& backend;
  DType activations;        // of what stands below without a dtype
  Tensor x;                 // [tokens, d_model] fp32 the residual stream, the same on every rank
  Tensor normed;            // [tokens, d_model]
  Tensor qkv;               // [tokens, 3 * local_heads * d_head]
  Tensor attention;         // [tokens, local_heads * d_head]
  Tensor ffn;               // [tokens, local_ffn]
  Tensor partial;           // [tokens, d_model] fp32 this rank's part of a sum over the ranks
  Tensor logits;            // [logit rows, local vocab rows] fp32
  std::int64_t tokens = 0;  // of this step

  Workspace(Backend& backend_in, DType activations_in)
      : backend(backend_in), activations(activations_in) {}

  TensorView Floats(Tensor& tensor, std::int64_t rows, std::int64_t width) {
    return View(tensor, DType::kF32, rows, width);
  }
  TensorView Activations(Tensor& tensor, std::int64_t rows, std::int64_t width) {
    return View(tensor, activations, rows, width);
  }
  TensorView View(Tensor& tensor, DType dtype, std::int64_t rows, std::int64_t width) {
    if (tensor.empty() || tensor.view().dim(0) < rows)
      tensor = backend.Allocate(dtype, {rows, width});
    return tensor.view().Rows(0, rows);
  }

  // What is summed over the ranks lies where the communicator adds without copying.
  void Reserve(std::int64_t rows, std::int64_t d_model, Communicator& communicator) {
    for (Tensor* tensor : {&x, &partial})
      if (tensor->empty() || tensor->view().dim(0) < rows)
        *tensor = communicator.AllocateReducible({rows, d_model});
  }
};

Decoder::Decoder(const ShardPlan& plan, ModelWeights weights, Backend& backend,
                 Communicator& communicator, const DecoderOptions& options)
    : spec_(plan.spec()),
      weights_(std::move(weights)),
      backend_(backend),
      communicator_(communicator),
      rotary_(MakeRotaryTable(spec_, backend)),
      workspace_(std::make_unique<Workspace>(backend, weights_.head->activation_dtype())) {
  LOCKSTEP_CHECK(plan.rank_count() == communicator.size(), "plan of {} ranks in a world of {}",
                 plan.rank_count(), communicator.size());
  const RankSlices slices = plan.Slices(communicator.rank());
  vocab_rows_ = slices.vocab_rows;
  vocab_leaves_ = slices.vocab_leaves;
  local_heads_ = slices.local_heads();
  local_ffn_ = slices.ffn_columns.size();
  cache_ = KvCache({.layer_count = spec_.layer_count,
                    .local_heads = local_heads_,
                    .d_head = spec_.d_head(),
                    .page_count = options.cache_pages,
                    .dtype = options.cache_dtype},
                   backend);
}

Decoder::~Decoder() = default;

TensorView Decoder::Forward(const Batch& batch) {
  Workspace& work = *workspace_;
  work.tokens = static_cast<std::int64_t>(batch.ids.size());
  work.Reserve(std::max(work.tokens, static_cast<std::int64_t>(batch.logit_rows.size())),
               spec_.d_model, communicator_);
  backend_.BeginStep(
      {.ids = batch.ids, .sequences = batch.sequences, .logit_rows = batch.logit_rows});
  EmbedTokens(batch, work);
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    if (batch.hidden_layer == static_cast<std::int64_t>(layer))
      KeepHidden(work.x.view().Rows(0, work.tokens));
    RunBlock(layer, batch, work);
  }
  if (batch.hidden_layer == spec_.layer_count) {
    const TensorView normed = work.normed.view().Rows(0, work.tokens);
    Normalize(weights_.final_norm, work.x.view().Rows(0, work.tokens), normed);
    KeepHidden(normed);
  }
  return HeadLogits(batch, work);
}

// Every rank has all of it; rank 0 is the one that answers.
void Decoder::KeepHidden(const TensorView& x) {
  if (communicator_.rank() != 0) return;
  hidden_rows_ = x.dim(0);
  if (hidden_.empty() || hidden_.view().dim(0) < hidden_rows_)
    hidden_ = Tensor::OnHost(DType::kF32, x.shape());
  const TensorView kept = hidden_.view().Rows(0, hidden_rows_);
  if (x.dtype() == DType::kF32) return backend_.Download(x, kept);
  const Tensor copy = Tensor::OnHost(x.dtype(), x.shape());
  backend_.Download(x, copy.view());
  ConvertElements(x.dtype(), copy.view().raw(), DType::kF32, kept.raw(),
                  static_cast<std::size_t>(x.elements()));
}

void Decoder::EmbedTokens(const Batch& batch, Workspace& work) {
  const TensorView x = work.Floats(work.x, work.tokens, spec_.d_model);
  // One rank has a token's row, the others add zeros.
  backend_.Embed(batch.ids, weights_.embedding.view(), vocab_rows_, x);
  Reduce(x);
}

// With the parallel residual:  x += attention(norm_a(x)) + mlp(norm_b(x)), reduced once.
// Without:                     x += attention(norm_a(x));  x += mlp(norm_b(x)), reduced twice.
void Decoder::RunBlock(std::size_t index, const Batch& batch, Workspace& work) {
  const LayerWeights& layer = weights_.layers[index];
  const TensorView x = work.Floats(work.x, work.tokens, spec_.d_model);
  const TensorView normed = work.Activations(work.normed, work.tokens, spec_.d_model);
  const TensorView partial = work.Floats(work.partial, work.tokens, spec_.d_model);
  const TensorView attention_bias = layer.attention_out_bias.view();
  const TensorView mlp_bias = layer.mlp_out_bias.view();

  const auto attended = [&] { return work.attention.view().Rows(0, work.tokens); };
  const auto activated = [&] { return work.ffn.view().Rows(0, work.tokens); };

  Normalize(layer.attention_norm, x, normed);
  RunAttention(index, batch, work);
  if (spec_.parallel_residual) {
    if (layer.mlp_norm) Normalize(*layer.mlp_norm, x, normed);
    RunMlp(layer, work);
    backend_.Linear(
        {.x = attended(), .x_second = activated(), .weight = layer.out.get(), .y = partial});
    Reduce(partial);
    backend_.AddResidual(x, partial, attention_bias, mlp_bias);
    return;
  }
  backend_.Linear({.x = attended(), .weight = layer.out.get(), .y = partial});
  Reduce(partial);
  backend_.AddResidual(x, partial, attention_bias, {});
  Normalize(layer.mlp_norm.value_or(layer.attention_norm), x, normed);
  RunMlp(layer, work);
  backend_.Linear({.x = activated(), .weight = layer.mlp_out.get(), .y = partial});
  Reduce(partial);
  backend_.AddResidual(x, partial, mlp_bias, {});
}

void Decoder::RunAttention(std::size_t index, const Batch& batch, Workspace& work) {
  const LayerWeights& layer = weights_.layers[index];
  const Architecture& architecture = ArchitectureOf(spec_.family);
  const std::int64_t width = local_heads_ * spec_.d_head();
  const TensorView qkv = work.Activations(work.qkv, work.tokens, 3 * width);
  const TensorView attention = work.Activations(work.attention, work.tokens, width);

  backend_.Linear(
      {.x = work.normed.view().Rows(0, work.tokens), .weight = layer.qkv.get(), .y = qkv});
  backend_.Attention({.qkv = qkv,
                      .layout = architecture.qkv_layout,
                      .rotary = {.kind = architecture.rotary,
                                 .dims = spec_.rotary_dims,
                                 .cos = rotary_.cos.view(),
                                 .sin = rotary_.sin.view()},
                      .sequences = batch.sequences,
                      .cache = cache_.layer(index),
                      .y = attention});
}

void Decoder::RunMlp(const LayerWeights& layer, Workspace& work) {
  const TensorView ffn = work.Activations(work.ffn, work.tokens, local_ffn_);
  const Activation gelu =
      spec_.gelu == GeluKind::kExact ? Activation::kGeluExact : Activation::kGeluTanh;
  backend_.Linear({.x = work.normed.view().Rows(0, work.tokens),
                   .weight = layer.mlp_in.get(),
                   .y = ffn,
                   .activation = gelu});
}

void Decoder::Reduce(const TensorView& partial) {
  communicator_.AllReduceSum(partial, backend_.stream());
}

void Decoder::Normalize(const NormWeights& norm, const TensorView& x, const TensorView& y) {
  backend_.LayerNorm({.x = x,
                      .weight = norm.weight.view(),
                      .bias = norm.bias.view(),
                      .epsilon = spec_.norm_epsilon,
                      .y = y});
}

TensorView Decoder::HeadLogits(const Batch& batch, Workspace& work) {
  const auto rows = static_cast<std::int64_t>(batch.logit_rows.size());
  const TensorView x = work.x.view().Rows(0, work.tokens);
  // The blocks are done: their buffers are free for the rows that get logits.
  const TensorView selected = work.Floats(work.partial, rows, spec_.d_model);
  const TensorView normed = work.Activations(work.normed, rows, spec_.d_model);
  const TensorView logits = work.Floats(work.logits, rows, vocab_rows_.size());
  backend_.SelectRows(x, batch.logit_rows, selected);
  Normalize(weights_.final_norm, selected, normed);
  backend_.Linear({.x = normed, .weight = weights_.head.get(), .y = logits});
  return logits;
}

}  // namespace lockstep
