#include "comm/reducer.h"

#include <bit>
#include <vector>

#include "core/error.h"

namespace lockstep {

Tensor Reducer::AllocateReducible(Shape shape) { return Tensor::OnHost(DType::kF32, shape); }

float SumTree(std::span<const float> values) {
  LOCKSTEP_CHECK(!values.empty(), "a sum of no ranks");
  std::vector<float> left(values.begin(), values.end());
  const std::size_t pairs = left.size() - std::bit_floor(left.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < left.size(); ++next) {
    const bool paired = next < pairs;
    left[next] = paired ? left[i] + left[i + 1] : left[i];
    i += paired ? 2 : 1;
  }
  for (std::size_t count = next; count > 1; count /= 2) {
    for (std::size_t i = 0; i < count / 2; ++i) left[i] = left[2 * i] + left[2 * i + 1];
  }
  return left[0];
}

}  // namespace lockstep
