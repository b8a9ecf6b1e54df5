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

// Room of one thread, kept from call to call, for kBlockRows rows of all heads that are computed
// together.
struct Scratch {
  alignas(64) std::byte queries[kBlockRows * kMostWidth * 4];
  alignas(64) float scores[kStepTokens * kBlockRows];
  alignas(64) float probabilities[kStepTokens];
  alignas(64) std::byte weights[kBlockRows * kStepTokens * 4];  // the probabilities as tiles
  alignas(64) float sums[kBlockRows * kMostWidth];              // [panel][row][16]
  float max[kBlockRows];
  float sum[kBlockRows];
  // int8: one page's keys or values as bf16, and the scales of a step's positions.
  alignas(64) std::byte widened[kMostPageTokens * kMostWidth * 2];
  alignas(64) float key_scales[kBlockRows * kStepTokens];
  alignas(64) float value_scales[kBlockRows * kStepTokens];
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

  // Heads that are computed together: a page has the keys of all heads one behind the other, and so
  // the values, in parts of a few KiB. Rows that are few read them as fast as memory gives them,
  // and it gives long streams faster.
  static std::int64_t HeadsTogether(const Run& run) { return kBlockRows / run.count; }

  // At most HeadsTogether().
  void Attend(const Run& run, Range heads, Scratch& scratch) const {
    const std::int64_t rows = heads.size() * run.count;
    std::fill_n(scratch.max, rows, -std::numeric_limits<float>::infinity());
    std::fill_n(scratch.sum, rows, 0.0f);
    std::fill_n(scratch.sums, rows * layout_.value_panels() * kPanelOutputs, 0.0f);
    ForHeads(run, heads, [&](const Part& part) { PackQueries(part, scratch); });
    const std::int64_t end = run.position(run.count - 1) + 1;
    for (std::int64_t first = 0; first < end; first += kStepTokens)
      Step(run, heads, {first, std::min(end, first + kStepTokens)}, scratch);
    ForHeads(run, heads, [&](const Part& part) {
      for (std::int64_t i = 0; i < run.count; ++i) WriteRow(part, i, scratch);
    });
  }

 private:
  // A run's rows of one head, and which of the heads that are computed together it is.
  struct Part {
    const Run& run;
    std::int64_t head;
    std::int64_t number;

    std::int64_t row(std::int64_t i) const { return number * run.count + i; }  // of the scratch
    float* scores(Scratch& scratch) const { return scratch.scores + row(0) * kStepTokens; }
  };

  template <typename Work>
  static void ForHeads(const Run& run, Range heads, const Work& work) {
    for (std::int64_t head = heads.begin; head < heads.end; ++head)
      work(Part{run, head, head - heads.begin});
  }

  std::byte* Queries(const Part& part, Scratch& scratch) const {
    return scratch.queries + part.row(0) * layout_.key_tiles() * kLineBytes;
  }
  // Of a page's positions, from the step's first page on.
  std::byte* Weights(const Part& part, std::int64_t page, Scratch& scratch) const {
    const std::int64_t step_tiles = kStepTokens / layout_.tile_inputs();
    return scratch.weights +
           (part.row(0) * step_tiles + page * layout_.value_tiles() * part.run.count) * kLineBytes;
  }
  float* Sums(const Part& part, Scratch& scratch) const {
    return scratch.sums + part.row(0) * layout_.value_panels() * kPanelOutputs;
  }

  float* Head(std::int64_t row, std::int64_t head) const {
    return args_.qkv.data<float>() + row * geometry_.qkv_stride + head * geometry_.head_stride;
  }

  std::int64_t Page(const Run& run, std::int64_t position) const {
    return run.sequence->page_table[static_cast<std::size_t>(position / args_.cache.page_tokens)];
  }

  void PackQueries(const Part& part, Scratch& scratch) const {
    const std::int64_t tile = part.run.count * kLineBytes;
    std::byte* queries = Queries(part, scratch);
    // Dims that only fill up the last tile.
    std::memset(queries, 0, static_cast<std::size_t>(layout_.key_tiles() * tile));
    for (std::int64_t i = 0; i < part.run.count; ++i)
      pack_({.x = Head(part.run.row(i), part.head),
             .count = geometry_.d_head,
             .out = queries + i * kLineBytes,
             .stride = tile});
  }

  // Scores, softmax and values of one range of positions, all within one step.
  void Step(const Run& run, Range heads, Range positions, Scratch& scratch) const {
    const std::int64_t page_tokens = args_.cache.page_tokens;
    const std::int64_t pages = (positions.size() + page_tokens - 1) / page_tokens;
    const auto number = [&](std::int64_t page) {
      return Page(run, positions.begin + page * page_tokens);
    };
    for (std::int64_t page = 0; page < pages; ++page) {
      const std::byte* after = page + 1 < pages ? layout_.Keys(number(page + 1), heads.begin)
                                                : layout_.Values(number(0), heads.begin);
      ForHeads(run, heads, [&](const Part& part) {
        const std::byte* keys = layout_.Keys(number(page), part.head);
        Fetch(run, part.head + 1 < heads.end ? keys + layout_.part_bytes() : after);
        Score(part, page, keys, scratch);
      });
    }
    const std::int64_t panels = pages * layout_.key_panels();
    ForHeads(run, heads, [&](const Part& part) {
      if (quantised_) GatherScales(part, positions, scratch);
      for (std::int64_t i = 0; i < run.count; ++i)
        Soften(part, i, {positions.begin, panels}, scratch);
    });
    const bool goes_on = positions.end < run.position(run.count - 1) + 1;
    for (std::int64_t page = 0; page < pages; ++page) {
      const std::byte* after = page + 1 < pages ? layout_.Values(number(page + 1), heads.begin)
                               : goes_on        ? layout_.Keys(number(pages), heads.begin)
                                                : nullptr;
      ForHeads(run, heads, [&](const Part& part) {
        const std::byte* values = layout_.Values(number(page), part.head);
        Fetch(run, part.head + 1 < heads.end ? values + layout_.part_bytes() : after);
        AddValues(part, page, values, scratch);
      });
    }
  }

  // The part of a page that is read next, if any. Rows that are many compute longer than it takes.
  // In the order of its bytes, which the processor takes as a reason to go on by itself; a product
  // reads several panels at a time. (Inlined, or GCC takes it for a function that does nothing.)
  [[gnu::always_inline]] void Fetch(const Run& run, const std::byte* part) const {
    if (part == nullptr || HeadsTogether(run) == 1) return;
    for (std::int64_t at = 0; at < layout_.part_bytes(); at += kLineBytes)
      __builtin_prefetch(part + at, 0, 3);
  }

  // With the keys of the step's `page`.
  void Score(const Part& part, std::int64_t page, const std::byte* keys, Scratch& scratch) const {
    const std::int64_t panel_floats = part.run.count * kPanelOutputs;
    multiply_({.rows = Queries(part, scratch),
               .block_rows = part.run.count,
               .panels = Readable(keys, scratch),
               .panel_stride = layout_.key_tiles() * kTileBytes,
               .panel_count = layout_.key_panels(),
               .tiles = layout_.key_tiles(),
               .c = part.scores(scratch) + page * layout_.key_panels() * panel_floats,
               .c_panel_stride = panel_floats});
  }

  void AddValues(const Part& part, std::int64_t page, const std::byte* values,
                 Scratch& scratch) const {
    multiply_({.rows = Weights(part, page, scratch),
               .block_rows = part.run.count,
               .panels = Readable(values, scratch),
               .panel_stride = layout_.value_tiles() * kTileBytes,
               .panel_count = layout_.value_panels(),
               .tiles = layout_.value_tiles(),
               .c = Sums(part, scratch),
               .c_panel_stride = part.run.count * kPanelOutputs,
               .start = Start::kContinue});
  }

  // One part of a page as the products take it.
  const std::byte* Readable(const std::byte* part, Scratch& scratch) const {
    if (!quantised_) return part;
    kernels_.widen_int8(part, layout_.part_elements(), scratch.widened);
    return scratch.widened;
  }

  // int8: the scales of the step's positions, gathered from its pages.
  void GatherScales(const Part& part, Range positions, Scratch& scratch) const {
    const std::int64_t page_tokens = args_.cache.page_tokens;
    const auto bytes = static_cast<std::size_t>(page_tokens) * sizeof(float);
    for (std::int64_t at = 0; at < positions.size(); at += page_tokens) {
      const std::int64_t page = Page(part.run, positions.begin + at);
      const std::int64_t to = part.number * kStepTokens + at;
      std::memcpy(scratch.key_scales + to, layout_.Scales(layout_.Keys(page, part.head)), bytes);
      std::memcpy(scratch.value_scales + to, layout_.Scales(layout_.Values(page, part.head)),
                  bytes);
    }
  }

  struct Scores {
    std::int64_t first_position;
    std::int64_t panels;
  };

  // One row's scores into probabilities, as rows of the product with the values.
  void Soften(const Part& part, std::int64_t i, Scores scores, Scratch& scratch) const {
    const std::int64_t panel_floats = part.run.count * kPanelOutputs;
    float* row = part.scores(scratch) + i * kPanelOutputs;
    if (quantised_) ScaleScores(row, panel_floats, scores.panels, KeyScales(part, scratch));
    SoftmaxStep step{
        .scores = row,
        .panel_stride = panel_floats,
        .panels = scores.panels,
        .visible = std::clamp<std::int64_t>(part.run.position(i) + 1 - scores.first_position, 0,
                                            scores.panels * kPanelOutputs),
        .scale = geometry_.scale,
        .probabilities = scratch.probabilities,
        .max = scratch.max[part.row(i)],
        .sum = scratch.sum[part.row(i)]};
    kernels_.softmax(step);
    scratch.max[part.row(i)] = step.max;
    scratch.sum[part.row(i)] = step.sum;
    if (step.correction != 1.0f)
      for (std::int64_t panel = 0; panel < layout_.value_panels(); ++panel)
        kernels_.scale(step.correction, kPanelOutputs,
                       Sums(part, scratch) + panel * panel_floats + i * kPanelOutputs);
    if (quantised_)
      ScaleScores(scratch.probabilities, kPanelOutputs, scores.panels,
                  scratch.value_scales + part.number * kStepTokens);
    pack_({.x = scratch.probabilities,
           .count = scores.panels * kPanelOutputs,
           .out = Weights(part, 0, scratch) + i * kLineBytes,
           .stride = part.run.count * kLineBytes});
  }

  static const float* KeyScales(const Part& part, const Scratch& scratch) {
    return scratch.key_scales + part.number * kStepTokens;
  }

  static void ScaleScores(float* row, std::int64_t panel_stride, std::int64_t panels,
                          const float* scales) {
    for (std::int64_t panel = 0; panel < panels; ++panel, row += panel_stride)
      for (std::int64_t lane = 0; lane < kPanelOutputs; ++lane) row[lane] *= *scales++;
  }

  void WriteRow(const Part& part, std::int64_t i, Scratch& scratch) const {
    const std::int64_t d_head = geometry_.d_head;
    const Run& run = part.run;
    float* y = args_.y.data<float>() + (run.row(i) * geometry_.local_heads + part.head) * d_head;
    const float factor = 1.0f / scratch.sum[part.row(i)];
    const float* sums = Sums(part, scratch);
    for (std::int64_t d = 0; d < d_head; ++d)
      y[d] = factor * sums[(d / kPanelOutputs * run.count + i) * kPanelOutputs + d % kPanelOutputs];
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
  // Of each run, some heads that follow each other, as many as `together` says at most.
  const auto each = [&](const std::vector<Run>& runs, const auto& together, const auto& work) {
    pool.ParallelForPieces(
        static_cast<std::int64_t>(runs.size()) * heads, kPieceTasks,
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t task = begin; task < end;) {
            const Run& run = runs[static_cast<std::size_t>(task / heads)];
            const std::int64_t head = task % heads;
            const std::int64_t count = std::min({together(run), heads - head, end - task});
            work(run, Range{head, head + count});
            task += count;
          }
        });
  };
  // Every key must be in the cache before the first query of the batch reads it.
  each(
      Cut(args.sequences, args.cache.page_tokens, args.cache.page_tokens),
      [](const Run&) { return std::int64_t{1}; },
      [&](const Run& run, Range head) { attention.Append(run, head.begin); });
  each(Cut(args.sequences, kStepTokens, kBlockRows), AttentionRun::HeadsTogether,
       [&](const Run& run, Range some) { attention.Attend(run, some, OwnScratch()); });
}

}  // namespace lockstep::cpu
