#include "layers/kernels/cuda/cuda_linear.h"

#include <algorithm>

#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/products/leaf_product.h"
#include "layers/kernels/cuda/products/quantise.h"

namespace lockstep::cuda {
namespace {

// What NVIDIA recommends for Hopper; older GPUs need less.
constexpr std::int64_t kWorkspaceBytes = std::int64_t{32} << 20;

static_assert(kLeafGroupInputs == kInt8GroupInputs);

// The leaves of inputs that every rank has whole, which are not those of the ranks. Fixed by their
// number alone: few rows are multiplied by more blocks than there are outputs for, and a chain
// keeps some length. Each begins on a stage.
std::vector<Range> FixedLeaves(std::int64_t inputs) {
  constexpr std::int64_t kLeastInputs = 512, kUnit = 64;
  std::int64_t count = 1;
  while (count < kMostLeaves && inputs >= 2 * count * kLeastInputs) count *= 2;
  const auto boundary = [&](std::int64_t i) {
    return std::min((i * inputs / count + kUnit - 1) / kUnit * kUnit, inputs);
  };
  std::vector<Range> leaves;
  for (std::int64_t i = 0; i < count; ++i) leaves.push_back({boundary(i), boundary(i + 1)});
  return leaves;
}

cudaDataType_t TypeOf(DType dtype) {
  return dtype == DType::kBF16 ? CUDA_R_16BF : dtype == DType::kF16 ? CUDA_R_16F : CUDA_R_32F;
}

Gelu GeluOf(Activation activation) {
  return activation == Activation::kGeluExact  ? Gelu::kExact
         : activation == Activation::kGeluTanh ? Gelu::kTanh
                                               : Gelu::kNone;
}

}  // namespace

Cublas::Cublas(CudaStream& stream) {
  Check(cublasCreate(&handle_), "cublasCreate");
  workspace_ = DeviceTensor(DType::kI32, {kWorkspaceBytes / 4});
  Check(cublasSetStream(handle_, stream.get()), "cublasSetStream");
  // After the stream: setting that takes the workspace away.
  Check(cublasSetWorkspace(handle_, workspace_.view().raw(), workspace_.view().bytes()),
        "cublasSetWorkspace");
  // Parts of a long sum are added in fp32 as well.
  Check(cublasSetMathMode(
            handle_, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                               CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
        "cublasSetMathMode");
}

Cublas::~Cublas() { static_cast<void>(cublasDestroy(handle_)); }

CudaLinear::CudaLinear(const LinearSource& source, SumOrder order, const Stage& stage)
    : outputs_(source.parts.front().weight.view().dim(0)),
      activations_(source.format == WeightFormat::kF16 ? DType::kF16 : DType::kBF16),
      order_(order) {
  if (source.format == WeightFormat::kF32 || source.format == WeightFormat::kInt4)
    throw BadInput(
        "--dtype {}: --device cuda multiplies bf16, fp16 and int8; use one of them, or "
        "--device cpu",
        Name(source.format));
  for (const LinearPart& part : source.parts)
    parts_.push_back(MakePart(part, source.format, stage));
  if (source.bias.empty()) return;
  bias_ = DeviceTensor(DType::kF32, {outputs_});
  stage(source.bias.view(), bias_.view());
}

CudaLinear::Part CudaLinear::MakePart(const LinearPart& source, WeightFormat format,
                                      const Stage& stage) const {
  const TensorView& weight = source.weight.view();
  Part part{.inputs = weight.dim(1),
            .values = {},
            .scales = {},
            .leaves = source.leaves,
            .first_group = {}};
  if (order_ == SumOrder::kQuickest)
    part.leaves = {{0, part.inputs}};
  else if (part.leaves.empty())
    part.leaves = FixedLeaves(part.inputs);
  if (format != WeightFormat::kInt8) {
    part.values = DeviceTensor(activations_, weight.shape());
    stage(weight, part.values.view());
    return part;
  }
  QuantisedWeight made = Quantise(weight, part.leaves);
  part.first_group = std::move(made.first_group);
  part.values = DeviceTensor(DType::kI32, made.values.view().shape());
  part.scales = DeviceTensor(DType::kF32, made.scales.view().shape());
  stage(made.values.view(), part.values.view());
  stage(made.scales.view(), part.scales.view());
  return part;
}

void CudaLinear::Run(const LinearArgs& args, LinearLane& lane) const {
  const std::int64_t rows = args.x.dim(0);
  LOCKSTEP_CHECK(args.x.dim(1) == inputs() && args.y.dim(1) == outputs_ && args.y.dim(0) == rows,
                 "x {} y {}", args.x.shape().ToString(), args.y.shape().ToString());
  LOCKSTEP_CHECK(args.x.dtype() == activations_, "x {}", Name(args.x.dtype()));
  if (parts_.size() == 2) {
    // Anything narrower would round the first part's sum.
    LOCKSTEP_CHECK(args.y.dtype() == DType::kF32, "y {}", Name(args.y.dtype()));
    LOCKSTEP_CHECK(args.x_second.dim(0) == rows && args.x_second.dim(1) == parts_.back().inputs &&
                       args.x_second.dtype() == activations_,
                   "x_second {}", args.x_second.shape().ToString());
  }
  if (rows == 0) return;
  if (order_ == SumOrder::kFixed) return RunByLeaves(args, lane);
  if (rows <= kFewRows) return RunFewRows(args, lane);
  Multiply(parts_.front(), args.x, args.y, Sum::kBegin, lane);
  if (parts_.size() == 2) Multiply(parts_.back(), args.x_second, args.y, Sum::kGoOn, lane);
  if (bias_.empty() && args.activation == Activation::kNone) return;
  BiasGelu({.x = args.y.raw(),
            .x_type = args.y.dtype(),
            .bias = bias(),
            .gelu = GeluOf(args.activation),
            .tokens = rows,
            .columns = outputs_},
           lane.stream().get());
}

void CudaLinear::RunByLeaves(const LinearArgs& args, LinearLane& lane) const {
  LeafProductArgs product{.leaf_count = static_cast<std::int32_t>(parts_.front().leaves.size()),
                          .x_type = activations_,
                          .bias = bias(),
                          .gelu = GeluOf(args.activation),
                          .y = args.y.raw(),
                          .y_type = args.y.dtype(),
                          .rows = args.x.dim(0),
                          .outputs = outputs_};
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    LeafPart& to = product.parts[i];
    LOCKSTEP_CHECK(
        part.leaves.size() == parts_.front().leaves.size() && part.leaves.size() <= kMostLeaves,
        "{} leaves", part.leaves.size());
    to = {.x = (i == 0 ? args.x : args.x_second).raw(),
          .weight = part.values.view().raw(),
          .inputs = static_cast<std::int32_t>(part.inputs)};
    for (std::size_t leaf = 0; leaf < part.leaves.size(); ++leaf)
      to.leaves[leaf] = {static_cast<std::int32_t>(part.leaves[leaf].begin),
                         static_cast<std::int32_t>(part.leaves[leaf].end)};
    if (part.scales.empty()) continue;
    to.scales = part.scales.view().data<float>();
    to.groups = static_cast<std::int32_t>(part.scales.view().dim(1));
    for (std::size_t leaf = 0; leaf < part.first_group.size(); ++leaf)
      to.first_group[leaf] = static_cast<std::int32_t>(part.first_group[leaf]);
  }
  lane.leaf_scratch().LendTo(product, lane.stream());
  LeafProduct(product, lane.stream().get());
}

void CudaLinear::RunFewRows(const LinearArgs& args, LinearLane& lane) const {
  FewRowsArgs product{.x_type = activations_,
                      .group_inputs = kInt8GroupInputs,
                      .bias = bias(),
                      .gelu = GeluOf(args.activation),
                      .y = args.y.raw(),
                      .y_type = args.y.dtype(),
                      .rows = args.x.dim(0),
                      .outputs = outputs_};
  for (std::size_t i = 0; i < parts_.size(); ++i)
    product.parts[i] = {
        .x = (i == 0 ? args.x : args.x_second).raw(),
        .weight = parts_[i].values.view().raw(),
        .scales = parts_[i].scales.empty() ? nullptr : parts_[i].scales.view().data<float>(),
        .inputs = parts_[i].inputs};
  FewRows(product, lane.stream().get());
}

void CudaLinear::Multiply(const Part& part, const TensorView& x, const TensorView& y, Sum sum,
                          LinearLane& lane) const {
  const std::int64_t rows = x.dim(0);
  const void* weight = part.values.view().raw();
  if (!part.scales.empty()) {
    const auto bytes = static_cast<std::size_t>(outputs_ * part.inputs) * SizeOf(activations_);
    void* widened = lane.dequantised().Get(bytes, lane.stream());
    Dequantise({.weight = {.values = static_cast<const std::int8_t*>(weight),
                           .scales = part.scales.view().data<float>(),
                           .outputs = outputs_,
                           .inputs = part.inputs,
                           .group_inputs = kInt8GroupInputs},
                .y = widened,
                .y_type = activations_},
               lane.stream().get());
    weight = widened;
  }
  // Rows here are columns there: y^T = W x^T.
  const float one = 1.0f, begin = sum == Sum::kGoOn ? 1.0f : 0.0f;
  const auto outputs = static_cast<int>(outputs_), inputs = static_cast<int>(part.inputs);
  Check(cublasGemmEx(lane.cublas().handle(), CUBLAS_OP_T, CUBLAS_OP_N, outputs,
                     static_cast<int>(rows), inputs, &one, weight, TypeOf(activations_), inputs,
                     x.raw(), TypeOf(x.dtype()), inputs, &begin, y.raw(), TypeOf(y.dtype()),
                     outputs, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx");
}

}  // namespace lockstep::cuda
