#include "layers/kernels/cpu/cpu_attention.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "layers/kernels/attention_geometry.h"
#include "layers/kernels/cpu/cache_store.h"

namespace lockstep::cpu {
namespace {

// Positions of one step of the online softmax, counted from position 0 of the sequence: a row's
// steps do not depend on the rows beside it.
constexpr std::int64_t kStepTokens = 128;
// Heads of a run that a thread takes at once.
constexpr std::int64_t kPieceTasks = 16;

// Neighbouring new tokens of one sequence.
struct Run {
  const SequenceRows* sequence;
  std::int64_t first;  // within the sequence's new tokens
  std::int64_t count;

  std::int64_t row(std::int64_t i) const { return sequence->first_row + first + i; }
  std::int64_t position(std::int64_t i) const { return sequence->start + first + i; }
};

// Cuts every sequence's new tokens so that no run crosses a multiple of `unit` positions, nor has
// more than `most` tokens.
std::vector<Run> Cut(std::span<const SequenceRows> sequences, std::int64_t unit,
                     std::int64_t most) {
  std::vector<Run> runs;
  for (const SequenceRows& sequence : sequences)
    for (std::int64_t i = 0; i < sequence.token_count;) {
      const std::int64_t to_boundary = unit - (sequence.start + i) % unit;
      const std::int64_t count = std::min({sequence.token_count - i, to_boundary, most});
      runs.push_back({&sequence, i, count});
      i += count;
    }
  return runs;
}

void Rotate(float* head, const RotaryArgs& rotary, std::int64_t position) {
  const std::int64_t half = rotary.dims / 2;
  const float* cos = rotary.cos.data<float>() + position * half;
  const float* sin = rotary.sin.data<float>() + position * half;
  const bool interleaved = rotary.kind == RotaryKind::kInterleaved;
  const std::int64_t step = interleaved ? 2 : 1;
  float* second = interleaved ? head + 1 : head + half;
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = head[i * step], b = second[i * step];
    head[i * step] = a * cos[i] - b * sin[i];
    second[i * step] = b * cos[i] + a * sin[i];
  }
}

// Room of one thread, kept from call to call.
struct Scratch {
  alignas(64) std::byte queries[kBlockRows * kMostWidth * 4];
  alignas(64) float scores[kStepTokens * kBlockRows];
  alignas(64) float probabilities[kBlockRows * kStepTokens];
  alignas(64) std::byte weights[kBlockRows * kStepTokens * 4];  // the probabilities as tiles
  alignas(64) float sums[kBlockRows * kMostWidth];              // [panel][row][16]
  float max[kBlockRows];
  float sum[kBlockRows];
  // int8: one page's keys or values as bf16, and the scales of a step's positions.
  alignas(64) std::byte widened[kMostPageTokens * kMostWidth * 2];
  alignas(64) float key_scales[kStepTokens];
  alignas(64) float value_scales[kStepTokens];
};

Scratch& OwnScratch() {
  thread_local const auto scratch = std::make_unique<Scratch>();
  return *scratch;
}

class AttentionRun {
 public:
  AttentionRun(const AttentionArgs& args, const Kernels& kernels)
      : args_(args),
        geometry_(args),
        layout_(args.cache),
        kernels_(kernels),
        quantised_(args.cache.pages.dtype() == DType::kI8),
        multiply_(layout_.element_bytes() == 4 ? kernels.product_f32 : kernels.product_bf16),
        pack_(layout_.element_bytes() == 4 ? kernels.pack_f32 : kernels.pack_bf16) {
    LOCKSTEP_CHECK(layout_.value_panels() * kPanelOutputs <= kMostWidth, "d_head {}",
                   geometry_.d_head);
    LOCKSTEP_CHECK(args.cache.page_tokens <= kMostPageTokens, "pages of {} tokens",
                   args.cache.page_tokens);
  }

  // Rotates q and k of one head and puts k and v into the cache: tokens of one page.
  void Append(const Run& run, std::int64_t head) const {
    const std::int64_t page = Page(run, run.position(0));
    const std::int64_t slot = run.position(0) % args_.cache.page_tokens;
    std::byte* keys = layout_.Keys(page, head);
    std::byte* values = layout_.Values(page, head);
    if (slot == 0) {
      // What an earlier owner left must not meet a probability of zero as infinity or NaN.
      std::memset(keys, 0, static_cast<std::size_t>(layout_.part_bytes()));
      std::memset(values, 0, static_cast<std::size_t>(layout_.part_bytes()));
    }
    for (std::int64_t i = 0; i < run.count; ++i) {
      float* q = Head(run.row(i), head);
      Rotate(q, args_.rotary, run.position(i));
      Rotate(q + geometry_.k_offset, args_.rotary, run.position(i));
    }
    const float* first = Head(run.row(0), head);
    StoreRows(layout_, kernels_,
              {.slot = slot,
               .count = run.count,
               .k = first + geometry_.k_offset,
               .v = first + geometry_.v_offset,
               .stride = geometry_.qkv_stride,
               .d_head = geometry_.d_head},
              page, head);
  }

  void Attend(const Run& run, std::int64_t head, Scratch& scratch) const {
    PackQueries(run, head, scratch);
    std::fill_n(scratch.max, run.count, -std::numeric_limits<float>::infinity());
    std::fill_n(scratch.sum, run.count, 0.0f);
    std::fill_n(scratch.sums, layout_.value_panels() * run.count * kPanelOutputs, 0.0f);
    const std::int64_t end = run.position(run.count - 1) + 1;
    for (std::int64_t first = 0; first < end; first += kStepTokens)
      Step(run, head, {first, std::min(end, first + kStepTokens)}, scratch);
    for (std::int64_t i = 0; i < run.count; ++i) WriteRow(run, head, i, scratch);
  }

 private:
  float* Head(std::int64_t row, std::int64_t head) const {
    return args_.qkv.data<float>() + row * geometry_.qkv_stride + head * geometry_.head_stride;
  }

  std::int64_t Page(const Run& run, std::int64_t position) const {
    return run.sequence->page_table[static_cast<std::size_t>(position / args_.cache.page_tokens)];
  }

  void PackQueries(const Run& run, std::int64_t head, Scratch& scratch) const {
    const std::int64_t tile = run.count * kLineBytes;
    // Dims that only fill up the last tile.
    std::memset(scratch.queries, 0, static_cast<std::size_t>(layout_.key_tiles() * tile));
    for (std::int64_t i = 0; i < run.count; ++i)
      pack_({.x = Head(run.row(i), head),
             .count = geometry_.d_head,
             .out = scratch.queries + i * kLineBytes,
             .stride = tile});
  }

  // Scores, softmax and values of one range of positions, all within one step.
  void Step(const Run& run, std::int64_t head, Range positions, Scratch& scratch) const {
    const std::int64_t page_tokens = args_.cache.page_tokens;
    const std::int64_t pages = (positions.size() + page_tokens - 1) / page_tokens;
    const std::int64_t panel_floats = run.count * kPanelOutputs;
    for (std::int64_t page = 0; page < pages; ++page) {
      std::byte* keys = layout_.Keys(Page(run, positions.begin + page * page_tokens), head);
      multiply_({.rows = scratch.queries,
                 .block_rows = run.count,
                 .panels = Readable(keys, scratch),
                 .panel_stride = layout_.key_tiles() * kTileBytes,
                 .panel_count = layout_.key_panels(),
                 .tiles = layout_.key_tiles(),
                 .c = scratch.scores + page * layout_.key_panels() * panel_floats,
                 .c_panel_stride = panel_floats});
    }
    if (quantised_) GatherScales(run, head, positions, scratch);
    const std::int64_t panels = pages * layout_.key_panels();
    for (std::int64_t i = 0; i < run.count; ++i) Soften(run, i, {positions.begin, panels}, scratch);
    for (std::int64_t page = 0; page < pages; ++page) {
      std::byte* values = layout_.Values(Page(run, positions.begin + page * page_tokens), head);
      multiply_({.rows = scratch.weights + page * layout_.value_tiles() * run.count * kLineBytes,
                 .block_rows = run.count,
                 .panels = Readable(values, scratch),
                 .panel_stride = layout_.value_tiles() * kTileBytes,
                 .panel_count = layout_.value_panels(),
                 .tiles = layout_.value_tiles(),
                 .c = scratch.sums,
                 .c_panel_stride = panel_floats,
                 .start = Start::kContinue});
    }
  }

  // One part of a page as the products take it.
  const std::byte* Readable(const std::byte* part, Scratch& scratch) const {
    if (!quantised_) return part;
    kernels_.widen_int8(part, layout_.part_elements(), scratch.widened);
    return scratch.widened;
  }

  // int8: the scales of the step's positions, gathered from its pages.
  void GatherScales(const Run& run, std::int64_t head, Range positions, Scratch& scratch) const {
    const std::int64_t page_tokens = args_.cache.page_tokens;
    const auto bytes = static_cast<std::size_t>(page_tokens) * sizeof(float);
    for (std::int64_t at = 0; at < positions.size(); at += page_tokens) {
      const std::int64_t page = Page(run, positions.begin + at);
      std::memcpy(scratch.key_scales + at, layout_.Scales(layout_.Keys(page, head)), bytes);
      std::memcpy(scratch.value_scales + at, layout_.Scales(layout_.Values(page, head)), bytes);
    }
  }

  struct Scores {
    std::int64_t first_position;
    std::int64_t panels;
  };

  // One row's scores into probabilities, as rows of the product with the values.
  void Soften(const Run& run, std::int64_t i, Scores scores, Scratch& scratch) const {
    const std::int64_t panel_floats = run.count * kPanelOutputs;
    if (quantised_) ScaleScores(scratch.scores + i * kPanelOutputs, panel_floats, scores, scratch);
    SoftmaxStep step{
        .scores = scratch.scores + i * kPanelOutputs,
        .panel_stride = panel_floats,
        .panels = scores.panels,
        .visible = std::clamp<std::int64_t>(run.position(i) + 1 - scores.first_position, 0,
                                            scores.panels * kPanelOutputs),
        .scale = geometry_.scale,
        .probabilities = scratch.probabilities,
        .max = scratch.max[i],
        .sum = scratch.sum[i]};
    kernels_.softmax(step);
    scratch.max[i] = step.max;
    scratch.sum[i] = step.sum;
    if (step.correction != 1.0f)
      for (std::int64_t panel = 0; panel < layout_.value_panels(); ++panel)
        kernels_.scale(step.correction, kPanelOutputs,
                       scratch.sums + panel * panel_floats + i * kPanelOutputs);
    if (quantised_)
      for (std::int64_t n = 0; n < scores.panels * kPanelOutputs; ++n)
        scratch.probabilities[n] *= scratch.value_scales[n];
    pack_({.x = scratch.probabilities,
           .count = scores.panels * kPanelOutputs,
           .out = scratch.weights + i * kLineBytes,
           .stride = run.count * kLineBytes});
  }

  static void ScaleScores(float* row, std::int64_t panel_stride, Scores scores,
                          const Scratch& scratch) {
    const float* scales = scratch.key_scales;
    for (std::int64_t panel = 0; panel < scores.panels; ++panel, row += panel_stride)
      for (std::int64_t lane = 0; lane < kPanelOutputs; ++lane) row[lane] *= *scales++;
  }

  void WriteRow(const Run& run, std::int64_t head, std::int64_t i, const Scratch& scratch) const {
    const std::int64_t d_head = geometry_.d_head;
    float* y = args_.y.data<float>() + (run.row(i) * geometry_.local_heads + head) * d_head;
    const float factor = 1.0f / scratch.sum[i];
    for (std::int64_t d = 0; d < d_head; ++d)
      y[d] = factor *
             scratch.sums[(d / kPanelOutputs * run.count + i) * kPanelOutputs + d % kPanelOutputs];
  }

  const AttentionArgs& args_;
  AttentionGeometry geometry_;
  CacheLayout layout_;
  const Kernels& kernels_;
  bool quantised_;
  void (*multiply_)(const TileProduct&);
  void (*pack_)(const PackRow&);
};

}  // namespace

void RunAttention(const AttentionArgs& args, const Kernels& kernels, ThreadPool& pool) {
  const AttentionRun attention(args, kernels);
  const std::int64_t heads = args.cache.local_heads;
  const auto each = [&](const std::vector<Run>& runs, const auto& work) {
    pool.ParallelForPieces(static_cast<std::int64_t>(runs.size()) * heads, kPieceTasks,
                           [&](std::int64_t begin, std::int64_t end) {
                             for (std::int64_t task = begin; task < end; ++task)
                               work(runs[static_cast<std::size_t>(task / heads)], task % heads);
                           });
  };
  // Every key must be in the cache before the first query of the batch reads it.
  each(Cut(args.sequences, args.cache.page_tokens, args.cache.page_tokens),
       [&](const Run& run, std::int64_t head) { attention.Append(run, head); });
  each(Cut(args.sequences, kStepTokens, kBlockRows),
       [&](const Run& run, std::int64_t head) { attention.Attend(run, head, OwnScratch()); });
}

}  // namespace lockstep::cpu
