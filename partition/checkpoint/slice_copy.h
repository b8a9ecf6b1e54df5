#pragma once

#include <cstdint>

#include "core/files/file.h"
#include "core/numbers/tensor.h"
#include "partition/plan/slice.h"

namespace lockstep {

// A matrix inside a mapped file. Strides in elements, none negative; every element that is asked
// for must lie within the file.
struct StoredMatrix {
  const MappedFile* file = nullptr;
  DType dtype = DType::kF32;
  std::uint64_t offset = 0;  // of element [0, 0], in bytes
  std::int64_t row_stride = 0;
  std::int64_t column_stride = 1;
};

// Copies a rectangle of the matrix to `destination`, converting to its dtype.
//   destination  on the host, rows.size() * columns.size() elements, row by row
// Goes through the file in tiles of a few MiB: the next tile is being read from disk while the
// current one is copied, and its pages are released afterwards, so that memory never holds more
// than a tile beside the destination. Only pages that hold wanted elements are prefetched.
// Throws EnvironmentError when the file was truncated meanwhile.
void CopyRectangle(const StoredMatrix& matrix, Range rows, Range columns,
                   const TensorView& destination);

}  // namespace lockstep
