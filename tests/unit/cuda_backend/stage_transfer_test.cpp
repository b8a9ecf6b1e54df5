// Activations between the host and a device whose memory is its own.
#include "layers/stage_transfer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "layers/kernels/cuda/cuda_device.h"
#include "lockstep_emulation/control.h"

namespace lockstep::cuda {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;

std::vector<float> FloatsOf(std::span<const std::byte> bytes) {
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  return {values, values + bytes.size() / sizeof(float)};
}

class CudaStageTransfer : public ::testing::TestWithParam<cuda_emulation::StreamPolicy> {
 protected:
  void SetUp() override { cuda_emulation::settings().stream_policy = GetParam(); }
  void TearDown() override {
    cuda_emulation::settings().stream_policy = cuda_emulation::StreamPolicy::kEager;
  }
};

// The host uses its memory again at once. Rows that nobody has given are zeros, and no NaN.
TEST_P(CudaStageTransfer, BringsThereAndBackWhatItIsGiven) {
  constexpr std::int64_t kWidth = 5;
  CudaDevice device(0);
  StageTransfer transfer(device);
  for (const std::int64_t rows : {3, 8, 1}) {
    const Tensor x = device.Allocate(DType::kF32, {8, kWidth});
    std::vector<float> input(static_cast<std::size_t>(rows * kWidth));
    std::iota(input.begin(), input.end(), static_cast<float>(100 * rows));
    const std::vector<float> expected = input;
    transfer.Take(std::as_bytes(std::span(input)), x.view());
    std::fill(input.begin(), input.end(), -1.0F);
    const auto all = [&](std::int64_t begin, std::int64_t count) {
      return TensorView(x.view().data<float>() + begin, DType::kF32, {count});
    };
    EXPECT_THAT(FloatsOf(transfer.Give(all(0, rows * kWidth))), ElementsAreArray(expected));
    EXPECT_THAT(FloatsOf(transfer.Give(all(rows * kWidth, (8 - rows) * kWidth))), Each(0.0F));
    EXPECT_THAT(FloatsOf(transfer.Give(all(2, 3))),
                ElementsAreArray(std::span(expected).subspan(2, 3)));
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, CudaStageTransfer,
                         ::testing::Values(cuda_emulation::StreamPolicy::kEager,
                                           cuda_emulation::StreamPolicy::kLazy));

}  // namespace
}  // namespace lockstep::cuda
