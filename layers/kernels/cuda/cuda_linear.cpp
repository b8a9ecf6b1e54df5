#include "layers/kernels/cuda/cuda_linear.h"

#include <algorithm>
#include <cmath>

#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {
namespace {

// What NVIDIA recommends for Hopper; older GPUs need less.
constexpr std::int64_t kWorkspaceBytes = std::int64_t{32} << 20;

std::int64_t Groups(std::int64_t inputs) {
  return (inputs + kInt8GroupInputs - 1) / kInt8GroupInputs;
}

struct Quantised {
  Tensor values;  // [outputs, inputs] int8, in int32s
  Tensor scales;  // [outputs, groups] fp32
};

void QuantiseGroup(std::span<const float> x, std::int8_t* values, float* scale) {
  float largest = 0.0f;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  *scale = largest / 127.0f;
  const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i)
    values[i] = static_cast<std::int8_t>(std::lrint(std::clamp(x[i] * inverse, -127.0f, 127.0f)));
}

Quantised Quantise(const TensorView& weight) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1), groups = Groups(inputs);
  Quantised made{Tensor::OnHost(DType::kI32, {(outputs * inputs + 3) / 4}),
                 Tensor::OnHost(DType::kF32, {outputs, groups})};
  auto* values = reinterpret_cast<std::int8_t*>(made.values.view().raw());
  for (std::int64_t output = 0; output < outputs; ++output)
    for (std::int64_t group = 0; group < groups; ++group) {
      const std::int64_t first = group * kInt8GroupInputs;
      const std::int64_t at = output * inputs + first;
      const auto count = static_cast<std::size_t>(std::min(kInt8GroupInputs, inputs - first));
      QuantiseGroup({weight.data<float>() + at, count}, values + at,
                    made.scales.view().data<float>() + output * groups + group);
    }
  return made;
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

CudaLinear::CudaLinear(const LinearSource& source, const Stage& stage)
    : outputs_(source.parts.front().weight.view().dim(0)),
      activations_(source.format == WeightFormat::kF16 ? DType::kF16 : DType::kBF16) {
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
  Part part{.inputs = weight.dim(1), .values = {}, .scales = {}};
  if (format != WeightFormat::kInt8) {
    part.values = DeviceTensor(activations_, weight.shape());
    stage(weight, part.values.view());
    return part;
  }
  const Quantised made = Quantise(weight);
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
