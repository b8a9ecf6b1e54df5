#include "layers/kernels/cuda/cuda_linear.h"

#include <algorithm>
#include <utility>

#include "core/numbers/float8.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/products/quantise.h"
#include "layers/kernels/cuda/products/quantise_int4.h"

namespace lockstep::cuda {
namespace {

// What NVIDIA recommends for Hopper; older GPUs need less.
constexpr std::int64_t kWorkspaceBytes = std::int64_t{32} << 20;

static_assert(kLeafGroupInputs == kInt8GroupInputs && kFp8RowInputs == kFp8GroupInputs);

// Of rows that are rounded.
constexpr std::int64_t kRoundedAlignment = 16, kScaleBytes = sizeof(float);

std::int64_t RoundUp(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// How many leaves so many inputs are cut into where nothing else says: few rows are multiplied by
// more blocks than there are outputs for, and a chain keeps some length.
std::int64_t LeafCount(std::int64_t inputs) {
  constexpr std::int64_t kLeastInputs = 512;
  std::int64_t count = 1;
  while (count < kMostLeaves && inputs >= 2 * count * kLeastInputs) count *= 2;
  return count;
}

// Each begins on a multiple of `unit`.
std::vector<Range> CutLeaves(std::int64_t inputs, std::int64_t count, std::int64_t unit) {
  const auto boundary = [&](std::int64_t i) {
    return std::min(RoundUp(i * inputs / count, unit), inputs);
  };
  std::vector<Range> leaves;
  for (std::int64_t i = 0; i < count; ++i) leaves.push_back({boundary(i), boundary(i + 1)});
  return leaves;
}

// The leaves of each part. In the fixed order those of the ranks, or, of inputs that every rank has
// whole, as many as their number says, each from a stage on. Else any will do that keep what shares
// a scale whole: groups of int4 belong to the ranks' leaves, as on processors; those of int8 to all
// inputs, as the kernels for few rows count them; of fp8 the ranks' leaves have one each, even a
// single one, which otherwise had other scales on fewer ranks.
std::vector<std::vector<Range>> LeavesOf(const LinearSource& source, SumOrder order) {
  constexpr std::int64_t kStage = 64;
  static_assert(kStage % kInt4GroupInputs == 0 && kInt8GroupInputs % kStage == 0);
  std::int64_t all = 0;
  for (const LinearPart& part : source.parts) all += part.weight.view().dim(1);
  const bool int4 = source.format == WeightFormat::kInt4, fp8 = source.format == WeightFormat::kF8;
  // Of the ranks' leaves, so many are kept.
  const std::size_t least_leaves = fp8 ? 1 : int4 ? 2 : kMostLeaves + 1;
  std::vector<std::vector<Range>> leaves;
  for (const LinearPart& part : source.parts) {
    const std::int64_t inputs = part.weight.view().dim(1);
    if (order == SumOrder::kFixed)
      leaves.push_back(part.leaves.empty() ? CutLeaves(inputs, LeafCount(inputs), kStage)
                                           : part.leaves);
    else if (part.leaves.size() >= least_leaves)
      leaves.push_back(part.leaves);
    else
      leaves.push_back(CutLeaves(inputs, LeafCount(all), int4 || fp8 ? kStage : kInt8GroupInputs));
  }
  return leaves;
}

LeafWeights WeightsOf(WeightFormat format) {
  switch (format) {
    case WeightFormat::kInt8: return LeafWeights::kInt8;
    case WeightFormat::kInt4: return LeafWeights::kInt4;
    case WeightFormat::kF8: return LeafWeights::kFp8;
    default: return LeafWeights::kSixteenBits;
  }
}

cudaDataType_t TypeOf(DType dtype) {
  return dtype == DType::kBF16 ? CUDA_R_16BF : dtype == DType::kF16 ? CUDA_R_16F : CUDA_R_32F;
}

Gelu GeluOf(Activation activation) {
  return activation == Activation::kGeluExact  ? Gelu::kExact
         : activation == Activation::kGeluTanh ? Gelu::kTanh
                                               : Gelu::kNone;
}

void CheckFp8() {
  if (MultipliesFp8()) return;
  int device = 0;
  cudaDeviceProp found{};
  Check(cudaGetDevice(&device), "cudaGetDevice");
  Check(cudaGetDeviceProperties(&found, device), "cudaGetDeviceProperties");
  const bool multiplies = 10 * found.major + found.minor >= 89;
  throw BadInput(
      "--dtype fp8: device {} ({}) has compute capability {}.{}, {}; use --dtype int8 or bf16",
      device, found.name, found.major, found.minor,
      multiplies ? "but these kernels were compiled for an older one: build them by CUDA 12.4 or "
                   "later with -DLOCKSTEP_CUDA_ARCHITECTURES naming it"
                 : "and fp8 is multiplied from 8.9 on (Ada, Hopper and later)");
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

std::size_t RoundedBytes(std::int64_t rows, std::int64_t inputs) {
  constexpr std::int64_t kMostParts = 2;
  return static_cast<std::size_t>(rows * Fp8RowBytes(inputs, kMostParts * kMostLeaves) +
                                  2 * kMostParts * kRoundedAlignment);
}

Cublas::~Cublas() { static_cast<void>(cublasDestroy(handle_)); }

CudaLinear::CudaLinear(const LinearSource& source, SumOrder order, const Stage& stage)
    : outputs_(source.parts.front().weight.view().dim(0)),
      activations_(source.format == WeightFormat::kF16 ? DType::kF16 : DType::kBF16),
      weights_(WeightsOf(source.format)),
      order_(order) {
  if (source.format == WeightFormat::kF32)
    throw BadInput(
        "--dtype {}: --device cuda multiplies bf16, fp16, fp8, int8 and int4; use one of them, or "
        "--device cpu",
        Name(source.format));
  if (source.format == WeightFormat::kF8) CheckFp8();
  std::vector<std::vector<Range>> leaves = LeavesOf(source, order);
  for (std::size_t i = 0; i < source.parts.size(); ++i)
    parts_.push_back(MakePart(source.parts[i].weight.view(), std::move(leaves[i]), stage));
  if (source.bias.empty()) return;
  bias_ = DeviceTensor(DType::kF32, {outputs_});
  stage(source.bias.view(), bias_.view());
}

CudaLinear::Part CudaLinear::MakePart(const TensorView& weight, std::vector<Range> leaves,
                                      const Stage& stage) const {
  Part part;
  part.inputs = weight.dim(1);
  part.leaves = std::move(leaves);
  const auto to_device = [&stage](const TensorView& host, DType dtype) {
    Tensor device = DeviceTensor(dtype, host.shape());
    stage(host, device.view());
    return device;
  };
  switch (weights_) {
    case LeafWeights::kSixteenBits: part.values = to_device(weight, activations_); break;
    case LeafWeights::kInt8: {
      QuantisedWeight made = Quantise(weight, part.leaves);
      part.first_group = std::move(made.first_group);
      part.groups = made.scales.view().dim(1);
      part.values = to_device(made.values.view(), DType::kI32);
      part.scales = to_device(made.scales.view(), DType::kF32);
      break;
    }
    case LeafWeights::kInt4: {
      Int4Weight made = QuantiseToInt4(weight, part.leaves);
      part.first_group = std::move(made.first_group);
      part.groups = made.groups;
      part.values = to_device(made.blocks.view(), DType::kI32);
      break;
    }
    case LeafWeights::kFp8: {
      const Fp8Weight made = QuantiseToFp8(weight, part.leaves);
      InputGroups of_rows = GroupsOf(part.leaves, kFp8GroupInputs);
      part.first_group = std::move(of_rows.first);
      part.groups = std::ssize(of_rows.groups);
      part.values = to_device(made.values.view(), DType::kI32);
      part.scales = to_device(made.scales.view(), DType::kF32);
      break;
    }
  }
  return part;
}

bool CudaLinear::IsByLeaves(std::int64_t rows) const {
  if (order_ == SumOrder::kFixed || weights_ == LeafWeights::kInt4 || weights_ == LeafWeights::kFp8)
    return true;
  return weights_ == LeafWeights::kInt8 && rows > kFewRows && rows <= kMostWidenedRows;
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
  if (IsByLeaves(rows)) return RunByLeaves(args, lane);
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
                          .weights = weights_,
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
          .scales = part.scales.empty() ? nullptr : part.scales.view().data<float>(),
          .inputs = static_cast<std::int32_t>(part.inputs),
          .groups = static_cast<std::int32_t>(part.groups)};
    for (std::size_t leaf = 0; leaf < part.leaves.size(); ++leaf)
      to.leaves[leaf] = {static_cast<std::int32_t>(part.leaves[leaf].begin),
                         static_cast<std::int32_t>(part.leaves[leaf].end)};
    for (std::size_t leaf = 0; leaf < part.first_group.size(); ++leaf)
      to.first_group[leaf] = static_cast<std::int32_t>(part.first_group[leaf]);
  }
  if (weights_ == LeafWeights::kFp8) RoundInputs(product, lane);
  lane.leaf_scratch().LendTo(product, lane.stream());
  LeafProduct(product, lane.stream().get());
}

void CudaLinear::RoundInputs(LeafProductArgs& product, LinearLane& lane) const {
  std::int64_t inputs = 0;
  for (const Part& part : parts_) inputs += part.inputs;
  auto* memory = static_cast<std::byte*>(
      lane.rounded().Get(RoundedBytes(product.rows, inputs), lane.stream()));
  const auto take = [&memory](std::int64_t bytes) {
    return std::exchange(memory, memory + RoundUp(bytes, kRoundedAlignment));
  };
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    LeafPart& part = product.parts[i];
    const RoundRowsArgs rounded{
        .x = part.x,
        .x_type = activations_,
        .part = part,
        .leaf_count = product.leaf_count,
        .y = reinterpret_cast<unsigned char*>(take(product.rows * part.inputs)),
        .scales = reinterpret_cast<float*>(take(product.rows * part.groups * kScaleBytes)),
        .rows = product.rows};
    RoundRows(rounded, lane.stream().get());
    part.x = rounded.y;
    part.x_scales = rounded.scales;
  }
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
