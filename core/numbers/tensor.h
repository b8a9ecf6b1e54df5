#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "core/error.h"
#include "core/numbers/dtype.h"

namespace lockstep {

// Up to four extents, row-major, outermost first. An empty shape is a scalar.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents);
  // Throws BadInput when there are more than kMaxRank extents, one is negative, or together they
  // are more elements than any memory holds: sizes computed from a shape never overflow.
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return extents_[axis]; }
  std::int64_t elements() const;
  std::string ToString() const;  // "[50304, 512]"

  bool operator==(const Shape& other) const;

 private:
  std::int64_t extents_[kMaxRank] = {};
  int rank_ = 0;
};

// A contiguous row-major array owned by somebody else, on the host or on a device. Copying a
// view copies the pointer. Whoever takes a view as an input does not write through it.
class TensorView {
 public:
  TensorView() = default;
  TensorView(void* data, DType dtype, Shape shape) : data_(data), dtype_(dtype), shape_(shape) {}

  void* raw() const { return data_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t dim(int axis) const { return shape_[axis]; }
  std::int64_t elements() const { return shape_.elements(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * SizeOf(dtype_); }

  // Typed access. Checks that T is the view's dtype.
  template <typename T>
  T* data() const {
    LOCKSTEP_CHECK(DTypeOf<T>::value == dtype_, "view holds {}", Name(dtype_));
    return static_cast<T*>(data_);
  }

  // Rows [begin, begin + count) of the outermost axis.
  TensorView Rows(std::int64_t begin, std::int64_t count) const;

 private:
  void* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Shape shape_;
};

// A tensor and its memory. Movable; the memory goes with it.
class Tensor {
 public:
  using Memory = std::shared_ptr<void>;

  Tensor() = default;
  Tensor(Memory memory, DType dtype, Shape shape)
      : memory_(std::move(memory)), view_(memory_.get(), dtype, shape) {}

  // Host memory, aligned to 64 bytes, uninitialised. Throws EnvironmentError when there is none.
  static Tensor OnHost(DType dtype, Shape shape);

  const TensorView& view() const { return view_; }
  bool empty() const { return memory_ == nullptr; }

 private:
  Memory memory_;
  TensorView view_;
};

// The queue of work an operation is ordered on: a cudaStream_t for the CUDA backend, null for
// the CPU, whose operations are complete when they return.
struct Stream {
  void* handle = nullptr;
};

}  // namespace lockstep
