#include "core/numbers/weight_format.h"

#include "core/error.h"

namespace lockstep {

std::string_view Name(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32: return "fp32";
    case WeightFormat::kBF16: return "bf16";
    case WeightFormat::kInt8: return "int8";
    case WeightFormat::kInt4: return "int4";
    case WeightFormat::kF16: return "fp16";
    case WeightFormat::kF8: return "fp8";
  }
  LOCKSTEP_CHECK(false, "weight format {}", static_cast<int>(format));
  return "";
}

std::int64_t MatrixBytes(WeightFormat format, std::int64_t elements) {
  constexpr std::int64_t kScaleBytes = 2, kFp8ScaleBytes = 4;
  switch (format) {
    case WeightFormat::kF32: return 4 * elements;
    case WeightFormat::kBF16:
    case WeightFormat::kF16: return 2 * elements;
    case WeightFormat::kInt8: return elements + elements / kInt8GroupInputs * kScaleBytes;
    case WeightFormat::kInt4: return elements / 2 + elements / kInt4GroupInputs * kScaleBytes;
    case WeightFormat::kF8: return elements + elements / kFp8LeafInputs * kFp8ScaleBytes;
  }
  LOCKSTEP_CHECK(false, "weight format {}", static_cast<int>(format));
  return 0;
}

}  // namespace lockstep
