#include "core/numbers/tensor.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace lockstep {

namespace {

// Small enough that the bytes of no dtype overflow.
constexpr std::int64_t kMaxElements = std::int64_t{1} << 56;

}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  if (extents.size() > kMaxRank)
    throw BadInput("a tensor of {} dimensions; at most {} are supported", extents.size(), kMaxRank);
  std::int64_t product = 1;
  for (std::int64_t extent : extents) {
    if (extent < 0)
      throw BadInput("a tensor dimension of {}; dimensions cannot be negative", extent);
    if (__builtin_mul_overflow(product, extent, &product) || product > kMaxElements)
      throw BadInput("a tensor of dimensions [{}]; more than 2^56 elements are not supported",
                     fmt::join(extents, ", "));
  }
  std::copy(extents.begin(), extents.end(), extents_);
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (int axis = 0; axis < rank_; ++axis) product *= extents_[axis];
  return product;
}

std::string Shape::ToString() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis)
    text += fmt::format("{}{}", axis == 0 ? "" : ", ", extents_[axis]);
  return text + "]";
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(extents_, extents_ + rank_, other.extents_);
}

TensorView TensorView::Rows(std::int64_t begin, std::int64_t count) const {
  LOCKSTEP_CHECK(shape_.rank() > 0 && begin >= 0 && count >= 0 && begin + count <= shape_[0],
                 "rows [{}, {}) of {}", begin, begin + count, shape_.ToString());
  std::int64_t extents[Shape::kMaxRank];
  std::int64_t row_elements = 1;
  for (int axis = 0; axis < shape_.rank(); ++axis) {
    extents[axis] = shape_[axis];
    if (axis > 0) row_elements *= shape_[axis];
  }
  extents[0] = count;
  auto* first = static_cast<std::byte*>(data_) +
                static_cast<std::size_t>(begin * row_elements) * SizeOf(dtype_);
  return {first, dtype_, Shape(std::span(extents, static_cast<std::size_t>(shape_.rank())))};
}

Tensor Tensor::OnHost(DType dtype, Shape shape) {
  constexpr std::size_t kLine = 64, kHugePage = std::size_t{2} << 20;
  const std::size_t bytes = static_cast<std::size_t>(shape.elements()) * SizeOf(dtype);
  // Whatever is read as one long stream is read faster from huge pages.
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  const std::size_t rounded = std::max(kLine, (bytes + alignment - 1) / alignment * alignment);
  void* memory = std::aligned_alloc(alignment, rounded);
#if defined(MADV_HUGEPAGE)
  if (memory != nullptr && alignment == kHugePage) ::madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  if (memory == nullptr)
    throw EnvironmentError("out of memory: a tensor {} of {} needs {} bytes", shape.ToString(),
                           Name(dtype), bytes);
  return {Memory(memory, [](void* pointer) { std::free(pointer); }), dtype, shape};
}

}  // namespace lockstep
