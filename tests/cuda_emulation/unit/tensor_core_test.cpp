#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "fixture.h"
#include "tensor_core_kernels.h"

namespace lockstep::cuda_emulation {
namespace {

template <class T>
std::vector<T> RandomValues(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<T> values(count);
  for (T& value : values) value = T(normal(random));
  return values;
}

template <class T>
void ExpectProduct(const ProductShape& shape) {
  const auto rows = static_cast<std::size_t>(shape.rows),
             depth = static_cast<std::size_t>(shape.depth);
  const auto a = RandomValues<T>(rows * depth, 1), b = RandomValues<T>(depth * 32, 2);
  const DeviceBuffer<T> on_device_a(a), on_device_b(b);
  const DeviceBuffer<float> c(rows * 32);
  const TestStream stream;
  ASSERT_CUDA(TileProduct(on_device_a.get(), on_device_b.get(), c.get(), shape, stream));
  ASSERT_CUDA(cudaStreamSynchronize(stream));
  const std::vector<float> got = c.ToHost();
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < 32; ++j) {
      double expected = 0;
      for (std::size_t k = 0; k < depth; ++k) {
        const std::size_t at = shape.b_transposed ? j * depth + k : k * 32 + j;
        expected +=
            static_cast<double>(float(a[i * depth + k])) * static_cast<double>(float(b[at]));
      }
      ASSERT_NEAR(got[i * 32 + j], expected, 1e-4) << "row " << i << ", column " << j;
    }
  }
}

class TensorCore : public EmulationTest {};

TEST_F(TensorCore, MultipliesBfloat16) { ExpectProduct<__nv_bfloat16>({.rows = 48, .depth = 64}); }
TEST_F(TensorCore, MultipliesHalf) { ExpectProduct<__half>({.rows = 16, .depth = 32}); }
TEST_F(TensorCore, MultipliesFp8) {
  ExpectProduct<__nv_fp8_e4m3>({.rows = 32, .depth = 64, .b_transposed = true});
}
TEST_F(TensorCore, TakesTransposedOperands) {
  ExpectProduct<__nv_bfloat16>({.rows = 32, .depth = 48, .b_transposed = true});
}

TEST_F(TensorCore, CopiesThatAreNotWaitedForHaveNotBeenMade) {
  const DeviceBuffer<__half> a(RandomValues<__half>(16 * 16, 1)), b(RandomValues<__half>(512, 2));
  const DeviceBuffer<float> c(16 * 32);
  const TestStream stream;
  ASSERT_CUDA(TileProduct(a.get(), b.get(), c.get(), {.wait = CopyWait::kForgotten}, stream));
  ASSERT_CUDA(cudaStreamSynchronize(stream));
  for (const float value : c.ToHost()) ASSERT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace lockstep::cuda_emulation
