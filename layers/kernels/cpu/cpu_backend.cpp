#include "layers/kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/thread_pool.h"
#include "layers/kernels/cpu/cpu_attention.h"
#include "layers/kernels/cpu/cpu_linear.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/host_backend.h"

namespace lockstep::cpu {
namespace {

void NormalizeRow(const LayerNormArgs& args, std::int64_t row) {
  const std::int64_t width = args.x.dim(1);
  const float* x = args.x.data<float>() + row * width;
  const float* weight = args.weight.data<float>();
  const float* bias = args.bias.data<float>();
  float* y = args.y.data<float>() + row * width;
  double sum = 0.0, squares = 0.0;
  for (std::int64_t i = 0; i < width; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(width);
  for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(width) + args.epsilon);
  for (std::int64_t i = 0; i < width; ++i)
    y[i] = static_cast<float>((x[i] - mean) * scale) * weight[i] + bias[i];
}

RowStatistics StatisticsOf(const float* x, std::int64_t columns, std::int64_t target) {
  RowStatistics statistics;
  statistics.max = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < columns; ++i)
    if (x[i] > statistics.max) {
      statistics.max = x[i];
      statistics.argmax = static_cast<std::int32_t>(i);
    }
  for (std::int64_t i = 0; i < columns; ++i)
    statistics.sum_exp += static_cast<double>(std::exp(x[i] - statistics.max));
  if (target >= 0) statistics.target = x[target];
  return statistics;
}

class CpuBackend final : public HostBackend {
 public:
  explicit CpuBackend(int threads) : pool_(threads), kernels_(SelectKernels()) {}

  std::string_view name() const override { return "cpu"; }

  std::unique_ptr<LinearWeight> MakeLinear(Tensor weight, Tensor bias) override {
    return std::make_unique<CpuLinear>(std::move(weight), std::move(bias));
  }

  void Linear(const LinearArgs& args) override {
    static_cast<const CpuLinear&>(*args.weight).Run(args, kernels_, pool_);
  }

  void LayerNorm(const LayerNormArgs& args) override {
    pool_.ParallelFor(args.x.dim(0), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) NormalizeRow(args, row);
    });
  }

  void Attention(const AttentionArgs& args) override { RunAttention(args, kernels_, pool_); }

  void Embed(std::span<const std::int32_t> ids, const TensorView& table, Range rows,
             const TensorView& y) override {
    const std::int64_t width = table.dim(1);
    const std::size_t row_bytes = static_cast<std::size_t>(width) * SizeOf(table.dtype());
    for (std::size_t token = 0; token < ids.size(); ++token) {
      float* out = y.data<float>() + static_cast<std::int64_t>(token) * width;
      if (ids[token] < rows.begin || ids[token] >= rows.end) {
        std::fill_n(out, width, 0.0f);
        continue;
      }
      const auto* row = static_cast<const std::byte*>(table.raw()) +
                        static_cast<std::size_t>(ids[token] - rows.begin) * row_bytes;
      ConvertElements(table.dtype(), row, DType::kF32, out, static_cast<std::size_t>(width));
    }
  }

  void AddResidual(const TensorView& x, const TensorView& delta, const TensorView& bias_a,
                   const TensorView& bias_b) override {
    const std::int64_t width = x.dim(1);
    const float* a = bias_a.raw() == nullptr ? nullptr : bias_a.data<float>();
    const float* b = bias_b.raw() == nullptr ? nullptr : bias_b.data<float>();
    for (std::int64_t row = 0; row < x.dim(0); ++row) {
      float* out = x.data<float>() + row * width;
      const float* add = delta.data<float>() + row * width;
      for (std::int64_t i = 0; i < width; ++i) out[i] += add[i];
      for (const float* bias : {a, b})
        for (std::int64_t i = 0; bias != nullptr && i < width; ++i) out[i] += bias[i];
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
                                        std::int64_t columns) override {
    std::vector<RowStatistics> all(static_cast<std::size_t>(logits.dim(0)));
    pool_.ParallelFor(logits.dim(0), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto index = static_cast<std::size_t>(row);
        all[index] =
            StatisticsOf(logits.data<float>() + row * logits.dim(1), columns, targets[index]);
      }
    });
    return all;
  }

 private:
  ThreadPool pool_;
  const Kernels& kernels_;
};

}  // namespace

std::unique_ptr<Backend> MakeBackend(int threads) { return std::make_unique<CpuBackend>(threads); }

}  // namespace lockstep::cpu
