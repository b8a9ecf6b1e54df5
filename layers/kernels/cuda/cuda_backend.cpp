#include "layers/kernels/cuda/cuda_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "layers/kernels/cuda/cuda_attention.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/cuda_graphs.h"
#include "layers/kernels/cuda/cuda_linear.h"
#include "layers/kernels/cuda/cuda_rates.h"
#include "layers/kernels/cuda/cuda_row_search.h"
#include "layers/kernels/cuda/cuda_step.h"
#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/kernels.h"
#include "layers/kernels/cuda/side_stream.h"

namespace lockstep::cuda {
namespace {

// Weights are copied in pieces: while one is on its way the next is staged.
constexpr std::size_t kPieceBytes = std::size_t{8} << 20;

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int device)
      : stream_(device),
        side_(device),
        lane_(stream_),
        side_lane_(side_.stream()),
        upload_(stream_),
        download_(stream_),
        questions_(stream_),
        step_(stream_),
        graphs_(stream_) {
    lane_.cublas();  // now, so that weights are not in its way
  }

  ~CudaBackend() override {
    // Scratch and staging go first; nothing may use them any more.
    static_cast<void>(cudaStreamSynchronize(stream_.get()));
  }

  std::string_view name() const override { return "cuda"; }
  Stream stream() const override { return {stream_.get()}; }
  void Synchronize() override { stream_.Wait(); }
  void set_watch(Watch watch) override { stream_.set_watch(std::move(watch)); }
  StepRows BeginStep(const StepInputs& inputs) override { return step_.Begin(inputs); }
  StepRows ReserveSteps(const StepSizes& sizes) override;
  StepRun RunStep(const void* caller, const std::function<void()>& operations) override;
  void ForgetSteps() override { graphs_.Clear(); }
  void set_step_graphs(StepGraphs graphs) override { step_graphs_ = graphs; }

  std::vector<DeviceRate> MeasureRates() override {
    return MeasureDeviceRates(stream_, lane_.cublas());
  }

  Tensor Allocate(DType dtype, Shape shape) override { return DeviceTensor(dtype, shape); }
  void Upload(const TensorView& host, const TensorView& device) override;
  void Download(const TensorView& device, const TensorView& host) override;
  void Copy(const TensorView& from, const TensorView& to) override;

  std::unique_ptr<LinearWeight> MakeLinear(LinearSource source) override {
    if (source.format == WeightFormat::kInt8)
      for (const LinearPart& part : source.parts)
        widened_elements_ = std::max(widened_elements_, part.weight.view().elements());
    return std::make_unique<CudaLinear>(
        source, [this](const TensorView& host, const TensorView& device) { Upload(host, device); });
  }
  std::int64_t CacheWidth(std::int64_t d_head, DType dtype) const override {
    return cuda::CacheWidth(d_head, CacheFormatOf(dtype));
  }

  QkvBias qkv_bias() const override { return QkvBias::kInAttention; }

  void Linear(const LinearArgs& args) override {
    static_cast<const CudaLinear&>(*args.weight).Run(args, *current_lane_);
  }
  void RunBeside(const std::function<void()>& first, const std::function<void()>& linear) override;
  void LayerNorm(const LayerNormArgs& args) override;
  void Attention(const AttentionArgs& args) override { attention_.Run(args); }
  void Embed(std::span<const std::int32_t> ids, const TensorView& table, Range rows,
             const TensorView& y) override;
  void AddResidual(const TensorView& x, const TensorView& delta, const TensorView& bias_a,
                   const TensorView& bias_b) override;
  void AddResidualNorm(const ResidualArgs& args) override;
  void SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                  const TensorView& y) override;
  std::vector<RowStatistics> Statistics(const TensorView& logits,
                                        std::span<const std::int64_t> targets,
                                        std::span<const Range> ranges) override;
  std::vector<ColumnLogit> LargestLogits(const TensorView& logits, std::int64_t limit,
                                         std::int64_t count) override;
  std::vector<float> TakeLogits(const TensorView& logits,
                                std::span<const LogitPlace> places) override {
    return search_.TakeLogits(logits, places);
  }
  std::vector<std::vector<ColumnLogit>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions) override;
  std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                             std::span<const MassQuestion> questions,
                                             std::span<const Range> ranges) override {
    return search_.SumMasses(search, questions, ranges);
  }

 private:
  void ReserveAnswers(std::int64_t rows, std::int64_t ranges);
  void ReserveProducts(const StepSizes& sizes, std::int64_t rows);
  SummariseArgs SendQuestions(std::span<const std::int64_t> targets, std::span<const Range> ranges);

  CudaStream stream_;
  SideStream side_;
  LinearLane lane_;
  LinearLane side_lane_;
  LinearLane* current_lane_ = &lane_;
  PinnedTurns upload_;
  PinnedTurns download_;
  PinnedTurns questions_;
  CudaStep step_;
  CudaGraphs graphs_;
  StepGraphs step_graphs_ = StepGraphs::kAuto;
  CudaAttention attention_{stream_, step_};
  Scratch asked_;
  Scratch summaries_;
  std::int64_t widened_elements_ = 0;  // the most of a weight of 8 bits
  CudaRowSearch search_{stream_};
};

StepRows CudaBackend::ReserveSteps(const StepSizes& sizes) {
  const StepLimits& limits = sizes.limits;
  const std::int64_t single =
      std::min({limits.tokens, std::max<std::int64_t>(limits.sequences, 1), kMaxBucketRows});
  const std::int64_t filled = BucketRows(single);
  const StepRows most{std::max(limits.tokens, filled), std::max(limits.logit_rows, filled)};
  step_.Reserve(limits);
  attention_.Reserve(sizes, most.tokens,
                     std::max(filled, std::min(limits.tokens, limits.sequences)));
  ReserveAnswers(most.logits, sizes.vocab_ranges);
  search_.Reserve(most.logits, sizes.vocab_ranges);
  ReserveProducts(sizes, most.tokens);
  return most;
}

// What is asked about rows of logits, and the answers.
void CudaBackend::ReserveAnswers(std::int64_t rows, std::int64_t ranges) {
  const auto count = static_cast<std::size_t>(rows);
  const std::size_t asked = (count + 2 * static_cast<std::size_t>(ranges)) * sizeof(std::int32_t);
  const std::size_t statistics = count * static_cast<std::size_t>(ranges) * sizeof(RowSummary);
  const std::size_t found = count * static_cast<std::size_t>(kMaxCandidates) * sizeof(TokenLogit);
  asked_.Get(asked, stream_);
  questions_.Reserve(asked);
  summaries_.Get(std::max(statistics, found), stream_);
  download_.Reserve(std::max({kPieceBytes, statistics, found}));
  upload_.Reserve(kPieceBytes);
}

void CudaBackend::ReserveProducts(const StepSizes& sizes, std::int64_t rows) {
  if (rows <= kFewRows) return;
  side_lane_.cublas();
  if (widened_elements_ == 0) return;
  const auto bytes = [](std::int64_t elements) {
    return static_cast<std::size_t>(elements) * SizeOf(DType::kBF16);
  };
  lane_.dequantised().Get(bytes(widened_elements_), stream_);
  side_lane_.dequantised().Get(bytes(sizes.beside_elements), side_.stream());
}

StepRun CudaBackend::RunStep(const void* caller, const std::function<void()>& operations) {
  const StepBucket bucket = step_.bucket();
  if (bucket.rows > 0 && step_graphs_ == StepGraphs::kAuto)
    return graphs_.Run({caller, bucket.rows, bucket.max_positions}, operations);
  operations();
  return StepRun::kCalled;
}

// Where a few rows meet many weights: products wait for memory, attention for one kernel after the
// other. In steps of many rows each fills the device by itself.
void CudaBackend::RunBeside(const std::function<void()>& first,
                            const std::function<void()>& linear) {
  if (step_.bucket().rows == 0) return Backend::RunBeside(first, linear);
  side_.ForkFrom(stream_);
  {
    const LaneScope elsewhere(current_lane_, side_lane_);
    linear();
  }
  first();
  side_.JoinTo(stream_);
}

void CudaBackend::Upload(const TensorView& host, const TensorView& device) {
  LOCKSTEP_CHECK(host.dtype() == device.dtype() && host.elements() == device.elements(), "{} to {}",
                 host.shape().ToString(), device.shape().ToString());
  for (std::size_t at = 0; at < host.bytes(); at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, host.bytes() - at);
    void* staged = upload_.Take(kPieceBytes);
    std::memcpy(staged, static_cast<const std::byte*>(host.raw()) + at, bytes);
    Check(cudaMemcpyAsync(static_cast<std::byte*>(device.raw()) + at, staged, bytes,
                          cudaMemcpyHostToDevice, stream_.get()),
          "cudaMemcpyAsync");
    upload_.Enqueued();
  }
}

void CudaBackend::Copy(const TensorView& from, const TensorView& to) {
  LOCKSTEP_CHECK(from.dtype() == to.dtype() && from.elements() == to.elements(), "{} to {}",
                 from.shape().ToString(), to.shape().ToString());
  Check(
      cudaMemcpyAsync(to.raw(), from.raw(), from.bytes(), cudaMemcpyDeviceToDevice, stream_.get()),
      "cudaMemcpyAsync");
}

void CudaBackend::Download(const TensorView& device, const TensorView& host) {
  LOCKSTEP_CHECK(host.dtype() == device.dtype() && host.elements() == device.elements(), "{} to {}",
                 device.shape().ToString(), host.shape().ToString());
  for (std::size_t at = 0; at < host.bytes(); at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, host.bytes() - at);
    void* staged = download_.Take(bytes);
    Check(cudaMemcpyAsync(staged, static_cast<const std::byte*>(device.raw()) + at, bytes,
                          cudaMemcpyDeviceToHost, stream_.get()),
          "cudaMemcpyAsync");
    download_.Enqueued();
    download_.WaitForTurn();
    std::memcpy(static_cast<std::byte*>(host.raw()) + at, staged, bytes);
  }
}

void CudaBackend::LayerNorm(const LayerNormArgs& args) {
  ResidualNorm({.x = args.x.data<float>(),
                .norms = {{args.weight.data<float>(), args.bias.data<float>(), args.y.raw()}, {}},
                .y_type = args.y.dtype(),
                .epsilon = static_cast<float>(args.epsilon),
                .tokens = args.x.dim(0),
                .d_model = args.x.dim(1)},
               stream_.get());
}

void CudaBackend::Embed(std::span<const std::int32_t> ids, const TensorView& table, Range rows,
                        const TensorView& y) {
  cuda::Embed({.ids = step_.Ids(ids),
               .table = table.raw(),
               .table_type = table.dtype(),
               .first_row = rows.begin,
               .row_count = rows.size(),
               .y = y.data<float>(),
               .tokens = y.dim(0),
               .d_model = table.dim(1)},
              stream_.get());
}

void CudaBackend::AddResidual(const TensorView& x, const TensorView& delta,
                              const TensorView& bias_a, const TensorView& bias_b) {
  ResidualNorm({.x = x.data<float>(),
                .delta = delta.raw(),
                .delta_type = delta.dtype(),
                .bias_a = Floats(bias_a),
                .bias_b = Floats(bias_b),
                .norms = {},
                .tokens = x.dim(0),
                .d_model = x.dim(1)},
               stream_.get());
}

void CudaBackend::AddResidualNorm(const ResidualArgs& args) {
  const auto norm = [](const NormOf& one) {
    return Norm{Floats(one.weight), Floats(one.bias), one.y.raw()};
  };
  const TensorView& y = args.norms[0].y.raw() != nullptr ? args.norms[0].y : args.norms[1].y;
  ResidualNorm({.x = args.x.data<float>(),
                .delta = args.delta.raw(),
                .delta_type = args.delta.dtype(),
                .bias_a = Floats(args.bias_a),
                .bias_b = Floats(args.bias_b),
                .norms = {norm(args.norms[0]), norm(args.norms[1])},
                .y_type = y.dtype(),
                .epsilon = static_cast<float>(args.epsilon),
                .tokens = args.x.dim(0),
                .d_model = args.x.dim(1)},
               stream_.get());
}

void CudaBackend::SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                             const TensorView& y) {
  cuda::SelectRows({.x = x.data<float>(),
                    .rows = step_.LogitRows(rows),
                    .y = y.data<float>(),
                    .count = y.dim(0),
                    .width = x.dim(1)},
                   stream_.get());
}

// Targets and ranges on the device, as the kernel takes them.
SummariseArgs CudaBackend::SendQuestions(std::span<const std::int64_t> targets,
                                         std::span<const Range> ranges) {
  std::vector<std::int32_t> words;
  for (const Range& range : ranges) {
    words.push_back(static_cast<std::int32_t>(range.begin));
    words.push_back(static_cast<std::int32_t>(range.end));
  }
  for (const std::int64_t target : targets)
    words.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(target, -1, INT32_MAX)));
  const std::size_t bytes = words.size() * sizeof(std::int32_t);
  auto* base = static_cast<std::int32_t*>(asked_.Get(bytes, stream_));
  void* staged = questions_.Take(bytes);
  std::memcpy(staged, words.data(), bytes);
  Check(cudaMemcpyAsync(base, staged, bytes, cudaMemcpyHostToDevice, stream_.get()),
        "cudaMemcpyAsync");
  questions_.Enqueued();
  return {.targets = base + 2 * ranges.size(),
          .ranges = reinterpret_cast<const ColumnRange*>(base),
          .range_count = static_cast<std::int64_t>(ranges.size())};
}

std::vector<RowStatistics> CudaBackend::Statistics(const TensorView& logits,
                                                   std::span<const std::int64_t> targets,
                                                   std::span<const Range> ranges) {
  static_assert(sizeof(RowStatistics) == sizeof(RowSummary));
  std::vector<RowStatistics> all(targets.size() * ranges.size());
  if (all.empty()) return all;
  const std::size_t bytes = all.size() * sizeof(RowSummary);
  SummariseArgs args = SendQuestions(targets, ranges);
  args.logits = logits.data<float>();
  args.rows = logits.dim(0);
  args.columns = logits.dim(1);
  args.y = static_cast<RowSummary*>(summaries_.Get(bytes, stream_));
  Summarise(args, stream_.get());
  void* staged = download_.Take(bytes);
  Check(cudaMemcpyAsync(staged, args.y, bytes, cudaMemcpyDeviceToHost, stream_.get()),
        "cudaMemcpyAsync");
  download_.Enqueued();
  download_.WaitForTurn();
  std::memcpy(all.data(), staged, bytes);
  return all;
}

std::vector<ColumnLogit> CudaBackend::LargestLogits(const TensorView& logits, std::int64_t limit,
                                                    std::int64_t count) {
  static_assert(sizeof(ColumnLogit) == sizeof(TokenLogit));
  if (count < 1 || count > kMaxCandidates || logits.dim(0) == 0) return {};
  std::vector<ColumnLogit> all(static_cast<std::size_t>(logits.dim(0) * count));
  const std::size_t bytes = all.size() * sizeof(ColumnLogit);
  auto* found = static_cast<TokenLogit*>(summaries_.Get(bytes, stream_));
  Candidates({.logits = logits.data<float>(),
              .rows = logits.dim(0),
              .columns = logits.dim(1),
              .limit = limit,
              .count = count,
              .y = found},
             stream_.get());
  void* staged = download_.Take(bytes);
  Check(cudaMemcpyAsync(staged, found, bytes, cudaMemcpyDeviceToHost, stream_.get()),
        "cudaMemcpyAsync");
  download_.Enqueued();
  download_.WaitForTurn();
  std::memcpy(all.data(), staged, bytes);
  return all;
}

std::vector<std::vector<ColumnLogit>> CudaBackend::FindLeaders(
    const RowSearch& search, std::span<const RaceQuestion> questions) {
  std::vector<std::vector<ColumnLogit>> answers;
  for (auto& answer : search_.FindLeaders(search, questions)) {
    const std::size_t race = answers.size();
    answers.push_back(answer ? std::move(*answer)
                             : Backend::FindLeaders(search, questions.subspan(race, 1)).front());
  }
  return answers;
}

}  // namespace

std::unique_ptr<Backend> MakeBackend(int device) { return std::make_unique<CudaBackend>(device); }

}  // namespace lockstep::cuda
