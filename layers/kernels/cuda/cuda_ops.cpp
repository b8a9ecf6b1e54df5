#include "layers/kernels/cuda/cuda_ops.h"

#include <algorithm>
#include <utility>

#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/cuda_rates.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/peers/residual_sums.h"

namespace lockstep::cuda {

CudaOps::CudaOps(CudaDevice& device, SumOrder order)
    : device_(device),
      order_(order),
      stream_(device.cuda_stream()),
      side_(stream_.device()),
      lane_(stream_),
      side_lane_(side_.stream()),
      step_(stream_, order),
      attention_(stream_, step_, order),
      search_(stream_) {
  // Now, so that weights are not in its way.
  if (order_ == SumOrder::kFixed)
    lane_.leaf_scratch().Take(stream_);
  else
    lane_.cublas();
}

void CudaOps::Reserve(const StepSizes& sizes, const StepRows& most, std::int64_t single_rows) {
  step_.Reserve(sizes.limits);
  attention_.Reserve(sizes, most.tokens, single_rows);
  search_.Reserve(most.logits, sizes.vocab_ranges);
  ReserveProducts(sizes, most.tokens);
}

void CudaOps::ReserveProducts(const StepSizes& sizes, std::int64_t rows) {
  if (order_ == SumOrder::kFixed || has_leaf_products_)
    side_lane_.leaf_scratch().Take(side_.stream());
  if (rounded_inputs_ > 0) {
    lane_.rounded().Get(RoundedBytes(rows, rounded_inputs_), stream_);
    // Products run beside others in steps of a bucket alone.
    side_lane_.rounded().Get(RoundedBytes(std::min(rows, kMaxBucketRows), sizes.beside_inputs),
                             side_.stream());
  }
  if (order_ == SumOrder::kFixed || rows <= kFewRows) return;
  side_lane_.cublas();
  if (widened_elements_ == 0 || rows <= kMostWidenedRows) return;
  const auto bytes = [](std::int64_t elements) {
    return static_cast<std::size_t>(elements) * SizeOf(DType::kBF16);
  };
  lane_.dequantised().Get(bytes(widened_elements_), stream_);
  side_lane_.dequantised().Get(bytes(sizes.beside_outputs * sizes.beside_inputs), side_.stream());
}

void CudaOps::RunBeside(const std::function<void()>& first, const std::function<void()>& linear) {
  side_.ForkFrom(stream_);
  {
    const LaneScope elsewhere(current_lane_, side_lane_);
    linear();
  }
  first();
  side_.JoinTo(stream_);
}

std::vector<DeviceRate> CudaOps::MeasureRates() {
  return MeasureDeviceRates(stream_, lane_.cublas());
}

std::unique_ptr<LinearWeight> CudaOps::MakeLinear(LinearSource source) {
  if (source.format == WeightFormat::kInt8 && order_ == SumOrder::kQuickest)
    for (const LinearPart& part : source.parts)
      widened_elements_ = std::max(widened_elements_, part.weight.view().elements());
  if (source.format == WeightFormat::kF8) {
    std::int64_t inputs = 0;
    for (const LinearPart& part : source.parts) inputs += part.weight.view().dim(1);
    rounded_inputs_ = std::max(rounded_inputs_, inputs);
  }
  if (source.format == WeightFormat::kInt8 || source.format == WeightFormat::kInt4 ||
      source.format == WeightFormat::kF8) {
    has_leaf_products_ = true;
    lane_.leaf_scratch().Take(stream_);
  }
  return std::make_unique<CudaLinear>(
      source, order_,
      [this](const TensorView& host, const TensorView& device) { device_.Upload(host, device); });
}

void CudaOps::LayerNorm(const LayerNormArgs& args) {
  ResidualNorm({.x = args.x.data<float>(),
                .norms = {{args.weight.data<float>(), args.bias.data<float>(), args.y.raw()}, {}},
                .y_type = args.y.dtype(),
                .epsilon = static_cast<float>(args.epsilon),
                .tokens = args.x.dim(0),
                .d_model = args.x.dim(1)},
               stream_.get());
}

void CudaOps::Embed(const EmbeddingArgs& args) {
  cuda::EmbedArgs rows{.ids = step_.Ids(args.ids),
                       .table = args.tokens.table.raw(),
                       .table_type = args.tokens.table.dtype(),
                       .first_row = args.tokens.rows.begin,
                       .row_count = args.tokens.rows.size(),
                       .y = args.y.data<float>(),
                       .tokens = args.y.dim(0),
                       .d_model = args.y.dim(1)};
  if (args.positions.table.raw() != nullptr) {
    const BatchOnDevice& batch = step_.Batch(args.sequences);
    LOCKSTEP_CHECK(args.positions.table.dtype() == rows.table_type, "positions of {}",
                   Name(args.positions.table.dtype()));
    rows.positions = args.positions.table.raw();
    rows.first_position = args.positions.rows.begin;
    rows.position_count = args.positions.rows.size();
    rows.sequence_of = batch.rows.sequence_of;
    rows.position_of = batch.rows.position_of;
  }
  cuda::Embed(rows, stream_.get());
}

namespace {

ResidualNormArgs KernelArgsOf(const ResidualArgs& args) {
  const auto norm = [](const NormOf& one) {
    return Norm{Floats(one.weight), Floats(one.bias), one.y.raw()};
  };
  const TensorView& y = args.norms[0].y.raw() != nullptr ? args.norms[0].y : args.norms[1].y;
  return {.x = args.x.data<float>(),
          .delta = args.delta.raw(),
          .delta_type = args.delta.dtype(),
          .bias_a = Floats(args.bias_a),
          .bias_b = Floats(args.bias_b),
          .norms = {norm(args.norms[0]), norm(args.norms[1])},
          .y_type = y.dtype(),
          .epsilon = static_cast<float>(args.epsilon),
          .tokens = args.x.dim(0),
          .d_model = args.x.dim(1)};
}

}  // namespace

void CudaOps::AddResidualNorm(const ResidualArgs& args) {
  ResidualNorm(KernelArgsOf(args), stream_.get());
}

bool CudaOps::SumToResidual(const ResidualArgs& args, Reducer& sums) {
  auto* at_once = dynamic_cast<ResidualSums*>(&sums);
  return at_once != nullptr && at_once->SumToResidual(KernelArgsOf(args), stream_.get());
}

void CudaOps::SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                         const TensorView& y) {
  cuda::SelectRows({.x = x.data<float>(),
                    .rows = step_.LogitRows(rows),
                    .y = y.data<float>(),
                    .count = y.dim(0),
                    .width = x.dim(1)},
                   stream_.get());
}

std::vector<std::vector<ColumnLogit>> CudaOps::FindLeaders(
    const RowSearch& search, std::span<const RaceQuestion> questions) {
  std::vector<std::vector<ColumnLogit>> answers;
  for (auto& answer : search_.FindLeaders(search, questions)) {
    const RaceQuestion& question = questions[answers.size()];
    if (!answer) {
      const Tensor host = Tensor::OnHost(DType::kF32, {1, search.logits.dim(1)});
      device_.Download(search.logits.Rows(question.row, 1), host.view());
      const std::span row(host.view().data<float>(), static_cast<std::size_t>(search.limit));
      answer = RaceLeadersOf(row, search.first_token, question);
    }
    answers.push_back(std::move(*answer));
  }
  return answers;
}

}  // namespace lockstep::cuda
