#include "layers/stage_transfer.h"

#include <cstring>

#include "core/error.h"

namespace lockstep {
namespace {

// Of at least so many fp32 values.
TensorView HostRoom(Tensor& tensor, std::int64_t values) {
  if (tensor.empty() || tensor.view().elements() < values)
    tensor = Tensor::OnHost(DType::kF32, {values});
  return tensor.view().Rows(0, values);
}

}  // namespace

void StageTransfer::Take(std::span<const std::byte> values, const TensorView& x) {
  const std::int64_t width = x.dim(1);
  const auto count = static_cast<std::int64_t>(values.size() / sizeof(float));
  const std::int64_t rows = count / width, fill = x.dim(0) - rows;
  LOCKSTEP_CHECK(
      values.size() == static_cast<std::size_t>(rows * width) * sizeof(float) && fill >= 0,
      "{} bytes of activations for {}", values.size(), x.shape().ToString());
  // Whoever takes a view as an input does not write through it.
  auto* begin = const_cast<std::byte*>(values.data());
  device_.Upload(TensorView(begin, DType::kF32, {rows, width}), x.Rows(0, rows));
  if (fill == 0) return;
  const TensorView zeros = HostRoom(zeros_, fill * width);
  std::memset(zeros.raw(), 0, zeros.bytes());
  device_.Upload(TensorView(zeros.raw(), DType::kF32, {fill, width}), x.Rows(rows, fill));
}

std::span<const std::byte> StageTransfer::Give(const TensorView& values) {
  TensorView on_host = values;
  if (!IsOnHost()) {
    const TensorView room = HostRoom(given_, values.elements());
    on_host = TensorView(room.raw(), DType::kF32, values.shape());
    device_.Download(values, on_host);
  }
  return {static_cast<const std::byte*>(on_host.raw()), on_host.bytes()};
}

}  // namespace lockstep
