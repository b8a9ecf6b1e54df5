#include "layers/kernels/cuda/cuda_attention.h"

#include "layers/kernels/cuda/cuda_check.h"

namespace lockstep::cuda {

CacheFormat CacheFormatOf(DType cache) {
  if (cache == DType::kBF16) return CacheFormat::kBF16;
  if (cache == DType::kF16) return CacheFormat::kF16;
  if (cache == DType::kF8) return CacheFormat::kFp8E4M3;
  throw BadInput("model.cache_dtype: {}: --device cuda keeps keys and values in bf16, fp16 or fp8",
                 Name(cache));
}

void CudaAttention::Reserve(const StepSizes& sizes, std::int64_t tokens, std::int64_t rows) {
  const Cache cache{.local_heads = sizes.local_heads, .d_head = sizes.d_head};
  const std::int64_t queries = tokens * sizes.local_heads * HeadWidth(sizes.d_head);
  queries_.Get(static_cast<std::size_t>(queries) * SizeOf(DType::kBF16), stream_);
  if (order_ == SumOrder::kFixed) {
    Partial(FixedPartialElements(cache, tokens));
    ArrivalCounts((tokens / kTileRows + rows) * sizes.local_heads);
    return;
  }
  Partial(DecodePartialElements(cache, rows, BucketPositions(sizes.limits.positions)));
  ArrivalCounts(rows * sizes.local_heads);
}

void CudaAttention::Run(const AttentionArgs& args) {
  if (args.qkv.dim(0) == 0) return;
  LOCKSTEP_CHECK(args.cache.page_tokens == kPageTokens, "pages of {}", args.cache.page_tokens);
  const BatchOnDevice& batch = step_.Batch(args.sequences);
  const Cache cache{.pages = args.cache.pages.raw(),
                    .format = CacheFormatOf(args.cache.pages.dtype()),
                    .local_heads = args.cache.local_heads,
                    .d_head = args.cache.d_head};
  const void* queries = AppendKeys(args, batch, cache);
  PrefillAttentionArgs prompts{.q = queries,
                               .type = args.qkv.dtype(),
                               .tiles = batch.tiles,
                               .tile_count = batch.tile_count,
                               .page_tables = batch.rows.page_tables,
                               .page_table_stride = batch.rows.page_table_stride,
                               .cache = cache,
                               .score_factor = args.score_factor,
                               .y = args.y.raw(),
                               .order = order_};
  if (order_ == SumOrder::kFixed) {
    prompts.rows = args.qkv.dim(0);
    prompts.max_positions = batch.max_positions;
    prompts.partial = Partial(FixedPartialElements(cache, prompts.rows));
    prompts.arrived = ArrivalCounts(batch.tile_count * cache.local_heads);
  }
  PrefillAttention(prompts, stream_.get());
  if (batch.single_count == 0) return;
  DecodeAttention(
      {.q = queries,
       .type = args.qkv.dtype(),
       .row_index = batch.single_rows,
       .row_count = batch.single_count,
       .rows = batch.rows,
       .cache = cache,
       .score_factor = args.score_factor,
       .max_positions = batch.max_positions,
       .partial = Partial(DecodePartialElements(cache, batch.single_count, batch.max_positions)),
       .arrived = ArrivalCounts(batch.single_count * cache.local_heads),
       .y = args.y.raw()},
      stream_.get());
}

float* CudaAttention::Partial(std::int64_t elements) {
  return static_cast<float*>(
      partial_.Get(static_cast<std::size_t>(elements) * sizeof(float), stream_));
}

// Zeros, as the kernel leaves them: cleared only when there are more than ever before.
unsigned* CudaAttention::ArrivalCounts(std::int64_t count) {
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(unsigned);
  void* counts = arrivals_.Get(bytes, stream_);
  if (bytes > arrivals_bytes_) {
    Check(cudaMemsetAsync(counts, 0, bytes, stream_.get()), "cudaMemsetAsync");
    arrivals_bytes_ = bytes;
  }
  return static_cast<unsigned*>(counts);
}

// Returns the rotated queries.
void* CudaAttention::AppendKeys(const AttentionArgs& args, const BatchOnDevice& batch,
                                const Cache& cache) {
  const std::int64_t tokens = args.qkv.dim(0);
  const std::int64_t width = cache.local_heads * HeadWidth(cache.d_head);
  void* queries =
      queries_.Get(static_cast<std::size_t>(tokens * width) * SizeOf(args.qkv.dtype()), stream_);
  RotaryAppend({.qkv = args.qkv.raw(),
                .type = args.qkv.dtype(),
                .layout = args.layout,
                .bias = Floats(args.qkv_bias),
                .rotary = args.rotary.kind,
                .rotary_dims = args.rotary.dims,
                .cos = args.rotary.cos.data<float>(),
                .sin = args.rotary.sin.data<float>(),
                .rows = batch.rows,
                .cache = cache,
                .q = queries,
                .tokens = tokens},
               stream_.get());
  return queries;
}

}  // namespace lockstep::cuda
