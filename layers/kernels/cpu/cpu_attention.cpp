#include "layers/kernels/cpu/cpu_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/kernels/attention_geometry.h"

namespace lockstep::cpu {
namespace {

// The new token `row` of a sequence, as the tasks of the parallel loop see it.
struct Query {
  const SequenceRows* sequence;
  std::int64_t index;  // within the sequence's new tokens

  std::int64_t row() const { return sequence->first_row + index; }
  std::int64_t position() const { return sequence->start + index; }
};

std::vector<Query> Flatten(std::span<const SequenceRows> sequences) {
  std::vector<Query> queries;
  for (const SequenceRows& sequence : sequences)
    for (std::int64_t i = 0; i < sequence.token_count; ++i) queries.push_back({&sequence, i});
  return queries;
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

class AttentionRun {
 public:
  AttentionRun(const AttentionArgs& args, const Kernels& kernels)
      : args_(args), kernels_(kernels), geometry_(args) {}

  void Append(const Query& query, std::int64_t head) const {
    float* q = Head(query, head);
    Rotate(q, args_.rotary, query.position());
    Rotate(q + geometry_.k_offset, args_.rotary, query.position());
    const DType dtype = args_.cache.pages.dtype();
    for (std::int64_t part : {0, 1}) {
      const float* source = q + (part == 0 ? geometry_.k_offset : geometry_.v_offset);
      ConvertElements(DType::kF32, source, dtype, Cache(query, query.position(), part, head),
                      static_cast<std::size_t>(geometry_.d_head));
    }
  }

  void Attend(const Query& query, std::int64_t head, std::vector<float>& scores) const {
    const std::int64_t length = query.position() + 1;
    const float* q = Head(query, head);
    scores.resize(static_cast<std::size_t>(length));
    for (std::int64_t position = 0; position < length; ++position)
      scores[static_cast<std::size_t>(position)] =
          Dot(q, Cache(query, position, 0, head)) * geometry_.scale;
    const float largest = *std::max_element(scores.begin(), scores.end());
    float sum = 0.0f;
    for (float& score : scores) sum += score = std::exp(score - largest);
    float* y =
        args_.y.data<float>() + (query.row() * geometry_.local_heads + head) * geometry_.d_head;
    std::fill_n(y, geometry_.d_head, 0.0f);
    for (std::int64_t position = 0; position < length; ++position)
      Accumulate(scores[static_cast<std::size_t>(position)] / sum, Cache(query, position, 1, head),
                 y);
  }

 private:
  float* Head(const Query& query, std::int64_t head) const {
    return args_.qkv.data<float>() + query.row() * geometry_.qkv_stride +
           head * geometry_.head_stride;
  }

  void* Cache(const Query& query, std::int64_t position, std::int64_t part,
              std::int64_t head) const {
    const auto offset = geometry_.CacheOffset(*query.sequence, position, part, head);
    return static_cast<std::byte*>(args_.cache.pages.raw()) +
           static_cast<std::size_t>(offset) * SizeOf(args_.cache.pages.dtype());
  }

  float Dot(const float* q, const void* key) const {
    return args_.cache.pages.dtype() == DType::kF32
               ? kernels_.dot_f32(q, static_cast<const float*>(key), geometry_.d_head)
               : kernels_.dot_bf16(q, static_cast<const std::uint16_t*>(key), geometry_.d_head);
  }

  void Accumulate(float weight, const void* value, float* y) const {
    if (args_.cache.pages.dtype() == DType::kF32) {
      kernels_.axpy_f32(weight, static_cast<const float*>(value), geometry_.d_head, y);
    } else {
      kernels_.axpy_bf16(weight, static_cast<const std::uint16_t*>(value), geometry_.d_head, y);
    }
  }

  const AttentionArgs& args_;
  const Kernels& kernels_;
  AttentionGeometry geometry_;
};

}  // namespace

void RunAttention(const AttentionArgs& args, const Kernels& kernels, ThreadPool& pool) {
  const AttentionRun run(args, kernels);
  const std::vector<Query> queries = Flatten(args.sequences);
  const std::int64_t heads = args.cache.local_heads;
  const auto tasks = static_cast<std::int64_t>(queries.size()) * heads;
  const auto query_of = [&](std::int64_t task) -> const Query& {
    return queries[static_cast<std::size_t>(task / heads)];
  };
  // Every key must be in the cache before the first query of the batch reads it.
  pool.ParallelFor(tasks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) run.Append(query_of(task), task % heads);
  });
  pool.ParallelFor(tasks, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scores;
    for (std::int64_t task = begin; task < end; ++task)
      run.Attend(query_of(task), task % heads, scores);
  });
}

}  // namespace lockstep::cpu
