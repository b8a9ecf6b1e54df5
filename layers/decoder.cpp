#include "layers/decoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <utility>

#include "layers/sums_of_halves.h"
#include "layers/workspace.h"

namespace lockstep {

// A block adds up once, or twice: behind attention (0) and behind the MLP (1).
struct Decoder::Summand {
  std::size_t block = 0;
  int sum = 0;
  const StepPart& part;
};

Decoder::Decoder(const ShardPlan& plan, ModelWeights weights, const Backend& backend,
                 Reducer& reducer, const DecoderOptions& options)
    : spec_(plan.spec()),
      stage_(options.stage),
      stage_count_(plan.stage_count()),
      cache_dtype_(options.cache_dtype),
      weights_(std::move(weights)),
      device_(*backend.device),
      ops_(*backend.ops),
      steps_(*backend.steps),
      reducer_(reducer),
      transfer_(device_),
      rotary_(MakeRotaryTable(spec_, device_)),
      workspace_(
          std::make_unique<Workspace>(device_, weights_.layers.front().qkv->activation_dtype())),
      rows_beside_sums_(options.rows_beside_sums) {
  LOCKSTEP_CHECK(plan.tensor_ranks() == reducer.size(), "plan of {} ranks in a world of {}",
                 plan.tensor_ranks(), reducer.size());
  const RankSlices slices = plan.Slices(stage_ * plan.tensor_ranks() + reducer.rank());
  blocks_ = slices.blocks;
  vocab_rows_ = slices.vocab_rows;
  position_rows_ = slices.position_rows;
  vocab_leaves_ = slices.vocab_leaves;
  local_heads_ = slices.local_heads();
  local_ffn_ = slices.ffn_columns.size();
  if (options.cache_pages > 0) AllocateCache(options.cache_pages);
  if (options.sums == DecoderOptions::Sums::kBesideProducts && reducer.size() > 1)
    sums_beside_ = MakeSumsBeside(device_, reducer);
}

void Decoder::AllocateCache(std::int64_t pages) {
  cache_ = KvCache({.layer_count = blocks_.size(),
                    .local_heads = local_heads_,
                    .d_head = spec_.d_head(),
                    .page_count = pages,
                    .width = ops_.CacheWidth(spec_.d_head(), cache_dtype_),
                    .dtype = cache_dtype_},
                   device_);
}

void Decoder::ExchangeWeights(ModelWeights weights) {
  LOCKSTEP_CHECK(weights.layers.size() == weights_.layers.size() &&
                     (weights.head == nullptr) == (weights_.head == nullptr),
                 "{} layers in place of {}", weights.layers.size(), weights_.layers.size());
  device_.Synchronize();  // a step may still read those that go
  weights_ = std::move(weights);
}

void Decoder::Reserve(const StepLimits& limits) {
  Workspace& work = *workspace_;
  const LayerWeights& layer = weights_.layers.front();
  const StepRows rows =
      steps_.Reserve({.limits = limits,
                      .local_heads = local_heads_,
                      .d_head = spec_.d_head(),
                      .beside_outputs = layer.mlp_in->outputs(),
                      .beside_inputs = layer.mlp_in->inputs(),
                      .vocab_ranges = static_cast<std::int64_t>(vocab_leaves_.size())});
  const std::int64_t width = local_heads_ * spec_.d_head();
  const std::int64_t most = std::max(rows.tokens, rows.logits);
  work.Reserve(most, spec_.d_model, reducer_);
  work.Activations(work.normed, most, spec_.d_model);
  if (spec_.parallel_residual && layer.mlp_norm)
    work.Activations(work.mlp_normed, rows.tokens, spec_.d_model);
  work.Activations(work.qkv, rows.tokens, 3 * width);
  work.Activations(work.attention, rows.tokens, width);
  work.Activations(work.ffn, rows.tokens, local_ffn_);
  if (is_last_stage()) work.Floats(work.logits, rows.logits, vocab_rows_.size());
}

void Decoder::Connect() {
  Workspace& work = *workspace_;
  work.Reserve(1, spec_.d_model, reducer_);
  // Few values and many go different ways.
  Reduce(work.partial.view().Rows(0, 1));
  Reduce(work.partial.view());
  device_.Synchronize();
}

Decoder::~Decoder() = default;

TensorView Decoder::Forward(const Batch& batch, std::span<const std::byte> input) {
  Workspace& work = *workspace_;
  hidden_rows_ = 0;
  cache_.Copy(batch.page_copies, device_);
  StepInputs inputs{.ids = batch.ids, .sequences = batch.sequences, .logit_rows = batch.logit_rows};
  halves_.reset();
  if (GoesByHalves(batch)) halves_.emplace(std::ssize(batch.ids), batch.sequences);
  std::array<std::span<const SequenceRows>, 2> parts;
  if (halves_) inputs.parts = parts = halves_->sequences();
  work.step = steps_.Begin(inputs);
  work.Reserve(std::max(work.step.tokens, work.step.logits), spec_.d_model, reducer_);
  if (!is_first_stage()) TakeInput(batch, input, work);
  // States that are kept are waited for on the way.
  if (batch.hidden_layer >= 0)
    RunOnce(batch, work);
  else
    steps_.Run(this, [&] { RunOnce(batch, work); });
  if (is_last_stage())
    logits_ = work.logits.view().Rows(0, static_cast<std::int64_t>(batch.logit_rows.size()));
  return logits_;
}

// Rows that fill up the step are zeros.
void Decoder::TakeInput(const Batch& batch, std::span<const std::byte> input, Workspace& work) {
  const std::size_t bytes =
      batch.ids.size() * static_cast<std::size_t>(spec_.d_model) * sizeof(float);
  LOCKSTEP_CHECK(input.size() == bytes, "stage {} was given {} bytes of {}", stage_, input.size(),
                 bytes);
  transfer_.Take(input, work.x.view().Rows(0, work.step.tokens));
}

std::span<const std::byte> Decoder::Output(const Range& values) {
  const TensorView x = workspace_->x.view();
  LOCKSTEP_CHECK(values.begin >= 0 && values.end <= x.elements(), "values {} to {} of {}",
                 values.begin, values.end, x.elements());
  auto* first = x.data<float>() + values.begin;
  return transfer_.Give(TensorView(first, DType::kF32, {values.size()}));
}

std::vector<std::byte> Decoder::Answer(std::span<const RowQuestion> questions, FirstQuestions first,
                                       std::int64_t vocab_limit) {
  return AnswerRows({.device = device_,
                     .ops = ops_,
                     .logits = logits_,
                     .vocab = vocab_rows_,
                     .leaves = vocab_leaves_,
                     .vocab_limit = vocab_limit},
                    questions, first);
}

void Decoder::RunOnce(const Batch& batch, Workspace& work) {
  if (is_first_stage()) EmbedTokens(batch, work);
  BeginBlocks(work);
  RunBlocks(batch, work);
  if (!is_last_stage()) return;
  const auto tokens = static_cast<std::int64_t>(batch.ids.size());
  if (batch.hidden_layer == spec_.layer_count) {
    const TensorView normed = work.normed.view().Rows(0, tokens);
    Normalize(weights_.final_norm, work.x.view().Rows(0, tokens), normed);
    KeepHidden(normed);
  }
  ComputeLogits(batch, work);
}

// Every rank has all of it; rank 0 is the one that answers.
void Decoder::KeepHidden(const TensorView& x) {
  if (reducer_.rank() != 0) return;
  hidden_rows_ = x.dim(0);
  if (hidden_.empty() || hidden_.view().dim(0) < hidden_rows_)
    hidden_ = Tensor::OnHost(DType::kF32, x.shape());
  const TensorView kept = hidden_.view().Rows(0, hidden_rows_);
  if (x.dtype() == DType::kF32) return device_.Download(x, kept);
  const Tensor copy = Tensor::OnHost(x.dtype(), x.shape());
  device_.Download(x, copy.view());
  ConvertElements(x.dtype(), copy.view().raw(), DType::kF32, kept.raw(),
                  static_cast<std::size_t>(x.elements()));
}

void Decoder::EmbedTokens(const Batch& batch, Workspace& work) {
  const TensorView x = work.Floats(work.x, work.step.tokens, spec_.d_model);
  // One rank has a token's row, one its position's; the others add zeros.
  ops_.Embed({.ids = batch.ids,
              .tokens = {weights_.embedding.view(), vocab_rows_},
              .sequences = batch.sequences,
              .positions = {weights_.positions.view(), position_rows_},
              .y = x});
  Reduce(x);
}

// The norms of the stage's first block, of what it begins with.
void Decoder::BeginBlocks(Workspace& work) {
  const TensorView x = work.Floats(work.x, work.step.tokens, spec_.d_model);
  ResidualArgs args{.x = x, .epsilon = spec_.norm_epsilon};
  SetBlockNorms(0, {.rows = work.step.tokens}, work, args);
  ops_.AddResidualNorm(args);
}

// Whether the sums of halves travel while other halves are computed.
bool Decoder::GoesByHalves(const Batch& batch) const {
  const std::int64_t rows = std::ssize(batch.ids);
  // Devices have recorded steps of single tokens, whose sums are short.
  const bool is_recorded = !IsOnHost() && rows == std::ssize(batch.sequences);
  return sums_beside_ != nullptr && rows >= rows_beside_sums_ && !is_recorded &&
         batch.hidden_layer < 0;
}

// With the parallel residual:  x += attention(norm_a(x)) + mlp(norm_b(x)), reduced once.
// Without:                     x += attention(norm_a(x));  x += mlp(norm_b(x)), reduced twice.
// The norms of x are those that the addition before has left.
void Decoder::RunBlocks(const Batch& batch, Workspace& work) {
  if (halves_) return RunBlocksByHalves(work);
  const StepPart all{.begin = 0, .rows = work.step.tokens, .sequences = batch.sequences};
  for (std::size_t block = 0; block < weights_.layers.size(); ++block) {
    if (batch.hidden_layer == blocks_.begin + static_cast<std::int64_t>(block))
      KeepHidden(work.x.view().Rows(0, static_cast<std::int64_t>(batch.ids.size())));
    for (int sum = 0; sum < SumsOfBlock(); ++sum) {
      ComputeSummand({block, sum, all}, work);
      const ResidualArgs residual = ResidualOf({block, sum, all}, work);
      if (ops_.SumToResidual(residual, reducer_)) continue;
      Reduce(residual.delta);
      ops_.AddResidualNorm(residual);
    }
  }
}

// Halves take turns: while the sum of one travels the other one is computed.
void Decoder::RunBlocksByHalves(Workspace& work) {
  const std::vector<StepPart> parts = halves_->parts();
  std::deque<Summand> under_way;
  const auto settle = [&] {
    AwaitSum();
    ops_.AddResidualNorm(ResidualOf(under_way.front(), work));
    under_way.pop_front();
  };
  for (std::size_t block = 0; block < weights_.layers.size(); ++block)
    for (int sum = 0; sum < SumsOfBlock(); ++sum)
      for (const StepPart& half : parts) {
        if (under_way.size() == parts.size()) settle();  // this half's
        ComputeSummand({block, sum, half}, work);
        sums_beside_->Begin(half.Of(work.partial.view()));
        under_way.push_back({block, sum, half});
      }
  while (!under_way.empty()) settle();
}

// This rank's part of a sum.
void Decoder::ComputeSummand(const Summand& what, Workspace& work) {
  const StepPart& part = what.part;
  const LayerWeights& layer = weights_.layers[what.block];
  const std::int64_t tokens = work.step.tokens;
  const TensorView normed = part.Of(work.Activations(work.normed, tokens, spec_.d_model));
  const TensorView partial = part.Of(work.Floats(work.partial, tokens, spec_.d_model));
  if (spec_.parallel_residual) {
    const TensorView mlp_normed = layer.mlp_norm ? part.Of(work.mlp_normed.view()) : normed;
    steps_.RunConcurrently([&] { RunAttention(what.block, part, work); },
                           [&] { RunMlp(layer, mlp_normed, part, work); });
    return Multiply({.x = part.Of(work.attention.view()),
                     .x_second = part.Of(work.ffn.view()),
                     .weight = layer.out.get(),
                     .y = partial});
  }
  if (what.sum == 0) {
    RunAttention(what.block, part, work);
    return Multiply({.x = part.Of(work.attention.view()), .weight = layer.out.get(), .y = partial});
  }
  RunMlp(layer, normed, part, work);
  Multiply({.x = part.Of(work.ffn.view()), .weight = layer.mlp_out.get(), .y = partial});
}

// What is added to x, and the norms that what is next begins with, if there is anything.
ResidualArgs Decoder::ResidualOf(const Summand& what, Workspace& work) const {
  const StepPart& part = what.part;
  const LayerWeights& layer = weights_.layers[what.block];
  ResidualArgs args{.x = part.Of(work.x.view()),
                    .delta = part.Of(work.partial.view()),
                    .epsilon = spec_.norm_epsilon};
  args.bias_a = what.sum == 0 ? layer.attention_out_bias.view() : layer.mlp_out_bias.view();
  if (spec_.parallel_residual) args.bias_b = layer.mlp_out_bias.view();
  if (what.sum + 1 < SumsOfBlock())
    args.norms[0] = Norm(layer.mlp_norm.value_or(layer.attention_norm),
                         part.Of(work.Activations(work.normed, work.step.tokens, spec_.d_model)));
  else if (what.block + 1 < weights_.layers.size())
    SetBlockNorms(what.block + 1, part, work, args);
  return args;
}

NormOf Decoder::Norm(const NormWeights& norm, const TensorView& y) const {
  switch (ArchitectureOf(spec_.family).norm) {
    case NormKind::kLayerNorm:
      return {.weight = norm.weight.view(), .bias = norm.bias.view(), .y = y};
  }
  return {};
}

void Decoder::SetBlockNorms(std::size_t index, const StepPart& part, Workspace& work,
                            ResidualArgs& args) const {
  const LayerWeights& layer = weights_.layers[index];
  const std::int64_t tokens = work.step.tokens;
  const auto normed = [&](Tensor& tensor) {
    return part.Of(work.Activations(tensor, tokens, spec_.d_model));
  };
  args.norms[0] = Norm(layer.attention_norm, normed(work.normed));
  if (spec_.parallel_residual && layer.mlp_norm)
    args.norms[1] = Norm(*layer.mlp_norm, normed(work.mlp_normed));
}

void Decoder::RunAttention(std::size_t index, const StepPart& part, Workspace& work) {
  const LayerWeights& layer = weights_.layers[index];
  const Architecture& architecture = ArchitectureOf(spec_.family);
  const std::int64_t width = local_heads_ * spec_.d_head();
  const std::int64_t tokens = work.step.tokens;
  const TensorView qkv = part.Of(work.Activations(work.qkv, tokens, 3 * width));
  const TensorView attention = part.Of(work.Activations(work.attention, tokens, width));

  Multiply({.x = part.Of(work.normed.view()), .weight = layer.qkv.get(), .y = qkv});
  const ScopedPhase attending = In(Phase::kAttention);
  ops_.Attention({.qkv = qkv,
                  .layout = ProductLayout(architecture.qkv_storage),
                  .qkv_bias = layer.qkv_bias.view(),
                  .rotary = {.kind = architecture.rotary,
                             .dims = spec_.rotary_dims,
                             .cos = rotary_.cos.view(),
                             .sin = rotary_.sin.view()},
                  .score_factor = ScoreFactor(index),
                  .sequences = part.sequences,
                  .cache = cache_.layer(index),
                  .y = attention});
}

float Decoder::ScoreFactor(std::size_t index) const {
  const double width = spec_.scores.by_width ? 1.0 : std::sqrt(static_cast<double>(spec_.d_head()));
  const auto block = blocks_.begin + static_cast<std::int64_t>(index);
  const double layer = spec_.scores.by_layer ? static_cast<double>(block + 1) : 1.0;
  return static_cast<float>(width / layer);
}

void Decoder::RunMlp(const LayerWeights& layer, const TensorView& normed, const StepPart& part,
                     Workspace& work) {
  const TensorView ffn = part.Of(work.Activations(work.ffn, work.step.tokens, local_ffn_));
  switch (ArchitectureOf(spec_.family).mlp) {
    case MlpKind::kTwoLinears: {
      const Activation gelu =
          spec_.gelu == GeluKind::kExact ? Activation::kGeluExact : Activation::kGeluTanh;
      Multiply({.x = normed, .weight = layer.mlp_in.get(), .y = ffn, .activation = gelu});
      return;
    }
  }
}

// A device goes on without the calling thread, which then does nothing but tell it what to do.
bool Decoder::IsOnHost() const { return device_.stream().handle == nullptr; }

ScopedPhase Decoder::In(Phase phase) const {
  return ScopedPhase(IsOnHost() ? phase : Phase::kOther);
}

void Decoder::Multiply(const LinearArgs& args) {
  const ScopedPhase products = In(Phase::kProducts);
  ops_.Linear(args);
}

void Decoder::Reduce(const TensorView& partial) {
  TimeSum([&] { reducer_.AllReduceSum(partial, device_.stream()); });
}

// The oldest of those that are made beside.
void Decoder::AwaitSum() {
  TimeSum([&] { sums_beside_->Await(); });
}

void Decoder::TimeSum(const std::function<void()>& sum) {
  const ScopedPhase phase = In(Phase::kAllReduce);
  const auto begun = std::chrono::steady_clock::now();
  sum();
  if (IsOnHost()) all_reduce_time_ += std::chrono::steady_clock::now() - begun;
}

void Decoder::Normalize(const NormWeights& norm, const TensorView& x, const TensorView& y) {
  switch (ArchitectureOf(spec_.family).norm) {
    case NormKind::kLayerNorm:
      return ops_.LayerNorm({.x = x,
                             .weight = norm.weight.view(),
                             .bias = norm.bias.view(),
                             .epsilon = spec_.norm_epsilon,
                             .y = y});
  }
}

void Decoder::ComputeLogits(const Batch& batch, Workspace& work) {
  const std::int64_t rows = work.step.logits;
  const TensorView logits = work.Floats(work.logits, rows, vocab_rows_.size());
  const TensorView x = work.x.view().Rows(0, work.step.tokens);
  if (weights_.head == nullptr) {
    LOCKSTEP_CHECK(batch.logit_rows.empty(), "{} rows of logits without an LM head",
                   batch.logit_rows.size());
    return;
  }
  // The blocks are done: their buffers are free for the rows that get logits.
  const TensorView selected = work.Floats(work.partial, rows, spec_.d_model);
  const TensorView normed = work.Activations(work.normed, rows, spec_.d_model);
  ops_.SelectRows(x, batch.logit_rows, selected);
  Normalize(weights_.final_norm, selected, normed);
  Multiply({.x = normed, .weight = weights_.head.get(), .y = logits});
}

}  // namespace lockstep
