#pragma once

#include <cstdint>
#include <string>

#include "core/numbers/tensor.h"

namespace lockstep {

// The half-open interval [begin, end).
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// Whether the file keeps a matrix as it is multiplied, [rows, columns], or [columns, rows].
enum class MatrixOrder : std::uint8_t { kAsMultiplied, kTransposed };

// The part of one checkpoint tensor that a rank holds: a rectangle of a matrix, or an interval
// of a vector (whose columns are then [0, 1)).
struct TensorSlice {
  std::string name;  // as in the checkpoint
  Shape shape;       // of the whole tensor: [rows, columns] or [rows]
  Range rows;
  Range columns{0, 1};
  MatrixOrder order = MatrixOrder::kAsMultiplied;

  // Of the whole tensor, as the file has it.
  Shape stored_shape() const {
    return order == MatrixOrder::kTransposed ? Shape{shape[1], shape[0]} : shape;
  }
  std::int64_t elements() const { return rows.size() * columns.size(); }
  bool operator==(const TensorSlice&) const = default;
};

}  // namespace lockstep
