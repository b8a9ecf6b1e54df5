#include "layers/kernels/cpu/cpu_ops.h"

#include <algorithm>
#include <functional>

#include "core/threads/thread_pool.h"
#include "layers/kernels/cpu/cpu_attention.h"
#include "layers/kernels/cpu/cpu_cache.h"
#include "layers/kernels/cpu/cpu_linear.h"
#include "layers/kernels/cpu/cpu_row_search.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/host_backend.h"

namespace lockstep::cpu {
namespace {

// Rows of this many elements together are worth a second thread.
constexpr std::int64_t kParallelElements = 1 << 14;
// The list of the largest is kept sorted, which takes too long for many.
constexpr std::int64_t kMostLargest = 1024;

class CpuOps final : public HostOps {
 public:
  // The kernels first: choosing them may ask for permissions that threads inherit.
  explicit CpuOps(int threads) : kernels_(SelectKernels()), pool_(threads) {}

  std::unique_ptr<LinearWeight> MakeLinear(LinearSource source) override {
    if (source.format == WeightFormat::kF16 || source.format == WeightFormat::kF8)
      throw BadInput(
          "--dtype {}: processors multiply fp32, bf16, int8 and int4; use --dtype bf16, or "
          "--device cuda",
          Name(source.format));
    return std::make_unique<CpuLinear>(source, kernels_, pool_);
  }

  std::int64_t CacheWidth(std::int64_t d_head, DType dtype) const override {
    if (dtype != DType::kF32 && dtype != DType::kBF16 && dtype != DType::kI8)
      throw BadInput(
          "model.cache_dtype {}: processors keep keys and values in fp32, bf16 or int8; use one of "
          "these, or --device cuda",
          Name(dtype));
    if (d_head > kMostWidth)
      throw BadInput(
          "heads of {} dims are wider than processors compute with here, which is {}; use the "
          "plain "
          "loops of --set engine.backend=reference, or a model of narrower heads",
          d_head, kMostWidth);
    return CacheLayout::Width(d_head, dtype);
  }

  void Linear(const LinearArgs& args) override {
    static_cast<const CpuLinear&>(*args.weight).Run(args, kernels_, pool_, rows_);
  }

  void LayerNorm(const LayerNormArgs& args) override {
    const std::int64_t width = args.x.dim(1);
    ForRows(args.x, [&](std::int64_t row) {
      kernels_.layer_norm(args.x.data<float>() + row * width, args.weight.data<float>(),
                          args.bias.data<float>(), width, args.epsilon,
                          args.y.data<float>() + row * width);
    });
  }

  void Attention(const AttentionArgs& args) override { RunAttention(args, kernels_, pool_); }

  void Embed(const EmbeddingArgs& args) override {
    const std::int64_t width = args.y.dim(1);
    for (std::size_t token = 0; token < args.ids.size(); ++token) {
      float* out = args.y.data<float>() + static_cast<std::int64_t>(token) * width;
      if (args.tokens.Has(args.ids[token]))
        ReadRow(args.tokens, args.ids[token], out);
      else
        std::fill_n(out, width, 0.0f);
    }
    if (args.positions.table.raw() == nullptr) return;
    std::vector<float> row(static_cast<std::size_t>(width));
    for (const SequenceRows& sequence : args.sequences)
      for (std::int64_t i = 0; i < sequence.token_count; ++i) {
        if (!args.positions.Has(sequence.start + i)) continue;
        float* out = args.y.data<float>() + (sequence.first_row + i) * width;
        ReadRow(args.positions, sequence.start + i, row.data());
        kernels_.add(out, row.data(), width, out);
      }
  }

  void SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                  const TensorView& y) override {
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::copy_n(x.data<float>() + rows[i] * x.dim(1), x.dim(1),
                  y.data<float>() + static_cast<std::int64_t>(i) * x.dim(1));
  }

  std::vector<RowStatistics> Statistics(const TensorView& logits,
                                        std::span<const std::int64_t> targets,
                                        std::span<const Range> ranges) override {
    const auto count = static_cast<std::int64_t>(ranges.size());
    std::vector<RowStatistics> all(static_cast<std::size_t>(logits.dim(0) * count));
    pool_.ParallelForPieces(
        logits.dim(0) * count, kBlockRows, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const Range range = ranges[static_cast<std::size_t>(i % count)];
            const float* x = logits.data<float>() + i / count * logits.dim(1);
            const ColumnStatistics found = kernels_.statistics(x + range.begin, range.size());
            const std::int64_t target = targets[static_cast<std::size_t>(i / count)];
            const bool here = target >= range.begin && target < range.end;
            all[static_cast<std::size_t>(i)] = {
                .max = found.max,
                .argmax = static_cast<std::int32_t>(range.begin + found.argmax),
                .target = here ? x[target] : 0.0f,
                .sum_exp = found.sum_exp};
          }
        });
    return all;
  }

  std::optional<std::vector<ColumnLogit>> LargestLogits(const TensorView& logits,
                                                        std::int64_t limit,
                                                        std::int64_t count) override {
    if (count > kMostLargest) return std::nullopt;
    return cpu::LargestLogits({logits, limit, 0}, count, kernels_, pool_);
  }

  std::vector<std::vector<ColumnLogit>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions) override {
    return cpu::FindLeaders(search, questions, kernels_, pool_);
  }

  std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                             std::span<const MassQuestion> questions,
                                             std::span<const Range> ranges) override {
    return cpu::SumMasses(search, questions, ranges, kernels_, pool_);
  }

 private:
  void AddResidual(const ResidualArgs& args) override {
    const std::int64_t width = args.x.dim(1);
    ForRows(args.x, [&](std::int64_t row) {
      float* out = args.x.data<float>() + row * width;
      kernels_.add(out, args.delta.data<float>() + row * width, width, out);
      for (const TensorView* bias : {&args.bias_a, &args.bias_b})
        if (bias->raw() != nullptr) kernels_.add(out, bias->data<float>(), width, out);
    });
  }

  static void ReadRow(const TablePart& part, std::int64_t row, float* out) {
    const auto width = static_cast<std::size_t>(part.table.dim(1));
    const std::size_t offset =
        static_cast<std::size_t>(row - part.rows.begin) * width * SizeOf(part.table.dtype());
    ConvertElements(part.table.dtype(), static_cast<const std::byte*>(part.table.raw()) + offset,
                    DType::kF32, out, width);
  }

  // Work on each row of x, on one thread when there is little.
  void ForRows(const TensorView& x, const std::function<void(std::int64_t)>& work) {
    const auto run = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) work(row);
    };
    if (x.elements() < kParallelElements) return run(0, x.dim(0));
    pool_.ParallelForPieces(x.dim(0), kBlockRows, run);
  }

  const Kernels& kernels_;
  ThreadPool pool_;
  PackedRows rows_;
};

}  // namespace

std::unique_ptr<Ops> MakeOps(int threads) { return std::make_unique<CpuOps>(threads); }

}  // namespace lockstep::cpu
