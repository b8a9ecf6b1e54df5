#pragma once

// What the tests of the CUDA kernels share: device arrays, values in 16 bits, comparisons, and a
// run of every test in each order that kernel_run.h knows, for both types.

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "core/numbers/dtype.h"
#include "kernel_run.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/kernels/launch.h"

namespace lockstep::cuda {

// An array in device memory.
template <typename T>
class Device {
 public:
  explicit Device(std::size_t count) : count_(count) {
    CheckCuda(cudaMalloc(reinterpret_cast<void**>(&data_), std::max<std::size_t>(bytes(), 16)),
              "cudaMalloc");
  }
  explicit Device(const std::vector<T>& values) : Device(values.size()) {
    CheckCuda(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "to device");
  }
  ~Device() { (void)cudaFree(data_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  T* data() const { return data_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  std::vector<T> Values() const {
    CheckCuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    std::vector<T> values(count_);
    CheckCuda(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost), "to host");
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

using Floats = std::vector<float>;
// Elements of a DType: fp32 as its two halves.
using Bits = std::vector<std::uint16_t>;

inline Bits Pack(DType type, const Floats& values) {
  Bits bits(values.size() * SizeOf(type) / 2);
  ConvertElements(DType::kF32, values.data(), type, bits.data(), values.size());
  return bits;
}

inline Floats Unpack(DType type, const Bits& bits) {
  Floats values(bits.size() * 2 / SizeOf(type));
  ConvertElements(type, bits.data(), DType::kF32, values.data(), values.size());
  return values;
}

inline Floats Rounded(DType type, const Floats& values) { return Unpack(type, Pack(type, values)); }

// The unit in the last place of the type at 1, from which tolerances are made.
inline float Epsilon(DType type) {
  if (type == DType::kF32) return 0x1p-23f;
  return type == DType::kF16 ? 0x1p-10f : 0x1p-7f;
}

// The largest difference is at most `tolerance` of the largest value.
inline void ExpectNear(const Floats& found, const Floats& expected, float tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  float largest = 1e-30f, difference = 0.0f;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(std::isfinite(found[i])) << "element " << i << " of " << found.size();
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(found[i] - expected[i]));
  }
  EXPECT_LE(difference, tolerance * largest) << "of " << expected.size() << " elements";
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  std::int64_t Int(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
  }
  template <typename T>
  T Of(std::initializer_list<T> choices) {
    return choices.begin()[Int(0, static_cast<std::int64_t>(choices.size()) - 1)];
  }
  Floats Values(std::int64_t count, float scale = 1.0f) {
    std::uniform_real_distribution<float> values(-scale, scale);
    Floats all(static_cast<std::size_t>(count));
    for (float& value : all) value = values(engine_);
    return all;
  }

 private:
  std::mt19937 engine_;
};

using KernelCase = std::tuple<KernelOrder, DType>;

class KernelTest : public testing::TestWithParam<KernelCase> {
 protected:
  KernelTest() { CheckCuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream"); }
  ~KernelTest() override { (void)cudaStreamDestroy(stream_); }
  DType type() const { return std::get<1>(GetParam()); }

  cudaStream_t stream_ = nullptr;
  Random random_{7};

 private:
  KernelRun run_{std::get<0>(GetParam())};
};

inline std::string KernelCaseName(const testing::TestParamInfo<KernelCase>& info) {
  return std::string(std::get<0>(info.param).name) + "_" +
         std::string(Name(std::get<1>(info.param)));
}

inline auto KernelCases() {
  return testing::Combine(testing::ValuesIn(kKernelOrders),
                          testing::Values(DType::kBF16, DType::kF16));
}

}  // namespace lockstep::cuda
