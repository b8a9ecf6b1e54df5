#pragma once

// What the tests of the cpu backend's operations share: each is run against the reference, over
// random shapes, in every format.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <random>

#include "layers/kernels/backend.h"

namespace lockstep {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  std::int64_t Int(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
  }
  Tensor Fill(DType dtype, Shape shape, float scale = 1.0f) {
    std::uniform_real_distribution<float> values(-scale, scale);
    const Tensor wide = Tensor::OnHost(DType::kF32, shape);
    for (std::int64_t i = 0; i < wide.view().elements(); ++i)
      wide.view().data<float>()[i] = values(engine_);
    Tensor tensor = Tensor::OnHost(dtype, shape);
    ConvertElements(DType::kF32, wide.view().raw(), dtype, tensor.view().raw(),
                    static_cast<std::size_t>(shape.elements()));
    return tensor;
  }

 private:
  std::mt19937 engine_;
};

inline Tensor Copy(const Tensor& from) {
  Tensor to = Tensor::OnHost(from.view().dtype(), from.view().shape());
  ConvertElements(from.view().dtype(), from.view().raw(), from.view().dtype(), to.view().raw(),
                  static_cast<std::size_t>(from.view().elements()));
  return to;
}

// The largest difference is at most `tolerance` of the largest value, or of `least` if that is
// more.
inline void ExpectNear(const TensorView& found, const TensorView& expected, double tolerance,
                       double least = 1e-30) {
  ASSERT_EQ(found.shape(), expected.shape());
  double largest = least, difference = 0.0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    const double value = expected.data<float>()[i];
    largest = std::max(largest, std::abs(value));
    difference = std::max(difference, std::abs(found.data<float>()[i] - value));
  }
  EXPECT_LE(difference, tolerance * largest) << "of " << expected.shape().ToString();
}

struct BackendCase {
  const char* name;
  WeightFormat format;
  int threads;
  double tolerance;            // of a product, as a part of the largest result
  double attention_tolerance;  // likewise; the reference keeps queries and probabilities in fp32

  std::optional<DType> kept = {};  // of keys and values, where that is not the format's own

  DType cache() const { return kept.value_or(TableDType(format)); }
  // The reference keeps no int8.
  DType reference_cache() const { return cache() == DType::kI8 ? DType::kF32 : cache(); }
};

inline void PrintTo(const BackendCase& one, std::ostream* out) { *out << one.name; }

inline std::vector<BackendCase> BackendCases() {
  using enum WeightFormat;
  return {{"fp32", kF32, 1, 3e-6, 3e-6},  {"fp32_3_threads", kF32, 3, 3e-6, 3e-6},
          {"bf16", kBF16, 1, 3e-6, 2e-2}, {"bf16_3_threads", kBF16, 3, 3e-6, 2e-2},
          {"int8", kInt8, 1, 1e-2, 2e-2}, {"int8_3_threads", kInt8, 3, 1e-2, 2e-2},
          {"int4", kInt4, 1, 0.1, 2e-2}};
}

inline std::string CaseName(const testing::TestParamInfo<BackendCase>& info) {
  return info.param.name;
}

class BackendOperation : public testing::TestWithParam<BackendCase> {
 protected:
  std::unique_ptr<Ops> reference_ = MakeBackend(BackendKind::kReference, 1).ops;
  std::unique_ptr<Ops> tested_ = MakeBackend(BackendKind::kCpu, GetParam().threads).ops;
  Random random_{42};
};

}  // namespace lockstep
