#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <gmock/gmock.h>

#include <random>

#include "fixture.h"

namespace lockstep::cuda_emulation {
namespace {

using ::testing::HasSubstr;
using Bf16 = __nv_bfloat16;

constexpr int kM = 37, kN = 19, kK = 64;

class Cublas : public EmulationTest {
 protected:
  Cublas() {
    EXPECT_EQ(cublasCreate(&handle_), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasSetStream(handle_, stream_), CUBLAS_STATUS_SUCCESS);
  }
  ~Cublas() override { cublasDestroy(handle_); }

  cublasStatus_t Multiply(cublasOperation_t op_a, cublasOperation_t op_b, int lda, int ldb) {
    const float one = 1, zero = 0;
    return cublasGemmEx(handle_, op_a, op_b, kM, kN, kK, &one, a_.get(), CUDA_R_16BF, lda, b_.get(),
                        CUDA_R_16BF, ldb, &zero, c_.get(), CUDA_R_16BF, kM, CUBLAS_COMPUTE_32F,
                        CUBLAS_GEMM_DEFAULT);
  }

  static std::vector<Bf16> Random(int count) {
    std::mt19937 random(static_cast<unsigned>(count));
    std::normal_distribution<float> normal;
    std::vector<Bf16> values(static_cast<std::size_t>(count));
    for (Bf16& value : values) value = __float2bfloat16(normal(random));
    return values;
  }

  const TestStream stream_;
  cublasHandle_t handle_ = nullptr;
  const std::vector<Bf16> host_a_ = Random(kM * kK), host_b_ = Random(kK * kN);
  const DeviceBuffer<Bf16> a_{host_a_}, b_{host_b_}, c_{kM * kN};
};

class CublasTransposes : public Cublas,
                         public ::testing::WithParamInterface<std::tuple<bool, bool>> {};

INSTANTIATE_TEST_SUITE_P(All, CublasTransposes,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST_P(CublasTransposes, MultiplyAsDefined) {
  const auto [transpose_a, transpose_b] = GetParam();
  ASSERT_EQ(
      Multiply(transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
               transpose_a ? kK : kM, transpose_b ? kN : kK),
      CUBLAS_STATUS_SUCCESS);
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  const std::vector<Bf16> c = c_.ToHost();
  for (int i = 0; i < kM; ++i) {
    for (int j = 0; j < kN; ++j) {
      float expected = 0;
      for (int l = 0; l < kK; ++l) {
        expected +=
            float(host_a_[static_cast<std::size_t>(transpose_a ? l + i * kK : i + l * kM)]) *
            float(host_b_[static_cast<std::size_t>(transpose_b ? j + l * kN : l + j * kK)]);
      }
      ASSERT_NEAR(float(c[static_cast<std::size_t>(i + j * kM)]), expected,
                  0.005 * (std::abs(expected) + 1));
    }
  }
}

TEST_F(Cublas, AddsToTheResultWithBeta) {
  const std::vector<float> twos(4, 2.0f);
  const DeviceBuffer<float> a(twos), b(twos), c(twos);
  const float half = 0.5f, ten = 10;
  ASSERT_EQ(cublasSgemm(handle_, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &half, a.get(), 2, b.get(), 2,
                        &ten, c.get(), 2),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_THAT(c.ToHost(), ::testing::Each(24.0f));
}

TEST_F(Cublas, MultipliesBatchesOfIntegers) {
  std::vector<std::int8_t> a(2 * 4 * 8), b(2 * 8 * 4);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<std::int8_t>(i % 7 - 3);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::int8_t>(i % 5 - 2);
  const DeviceBuffer<std::int8_t> da(a), db(b);
  const DeviceBuffer<std::int32_t> dc(2 * 4 * 4);
  const std::int32_t one = 1, zero = 0;
  ASSERT_EQ(
      cublasGemmStridedBatchedEx(handle_, CUBLAS_OP_T, CUBLAS_OP_N, 4, 4, 8, &one, da.get(),
                                 CUDA_R_8I, 8, 32, db.get(), CUDA_R_8I, 8, 32, &zero, dc.get(),
                                 CUDA_R_32I, 4, 16, 2, CUBLAS_COMPUTE_32I, CUBLAS_GEMM_DEFAULT),
      CUBLAS_STATUS_SUCCESS);
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  const std::vector<std::int32_t> c = dc.ToHost();
  for (std::size_t i = 0; i < c.size(); ++i) {
    const std::size_t batch = i / 16, row = i % 4, column = i % 16 / 4;
    std::int32_t expected = 0;
    for (std::size_t l = 0; l < 8; ++l) {
      expected += a[batch * 32 + row * 8 + l] * b[batch * 32 + column * 8 + l];
    }
    EXPECT_EQ(c[i], expected);
  }
}

TEST_F(Cublas, RefusesALeadingDimensionBelowTheRows) {
  EXPECT_EQ(Multiply(CUBLAS_OP_T, CUBLAS_OP_N, kM, kK), CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(Cublas, RefusesTypesThatDoNotGoTogether) {
  const float one = 1, zero = 0;
  EXPECT_EQ(cublasGemmEx(handle_, CUBLAS_OP_N, CUBLAS_OP_N, kM, kN, kK, &one, a_.get(), CUDA_R_16BF,
                         kM, b_.get(), CUDA_R_16F, kK, &zero, c_.get(), CUDA_R_16BF, kM,
                         CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(Cublas, FaultsOnAMatrixThatLeavesItsAllocation) {
  const float one = 1, zero = 0;
  EXPECT_EQ(cublasGemmEx(handle_, CUBLAS_OP_N, CUBLAS_OP_N, kM, kN + 1, kK, &one, a_.get(),
                         CUDA_R_16BF, kM, b_.get(), CUDA_R_16BF, kK, &zero, c_.get(), CUDA_R_16BF,
                         kM, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_THAT(FaultReport(), HasSubstr("matrix B leaves its device allocation"));
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorIllegalAddress);
}

TEST_F(Cublas, RefusesScalarsOnTheDeviceInHostMode) {
  const DeviceBuffer<float> one(std::vector<float>{1.0f});
  const float zero = 0;
  EXPECT_EQ(cublasSgemm(handle_, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, one.get(), one.get(), 1,
                        one.get(), 1, &zero, one.get(), 1),
            CUBLAS_STATUS_INVALID_VALUE);
}

}  // namespace
}  // namespace lockstep::cuda_emulation
