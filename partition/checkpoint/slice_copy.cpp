#include "partition/checkpoint/slice_copy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/heartbeat.h"

namespace lockstep {
namespace {

// What one tile spans in the file. Large enough to amortise the hints, small beside any slice
// worth counting.
constexpr std::int64_t kTileBytes = std::int64_t{4} << 20;
constexpr std::uint64_t kPageBytes = 4096;

struct Tile {
  Range rows;
  Range columns;
};

// How many steps of `stride_bytes`, the first of which is free, fit into a tile beside
// `used_bytes`.
std::int64_t CountInTile(std::int64_t stride_bytes, std::int64_t used_bytes) {
  const std::int64_t room = std::max<std::int64_t>(0, kTileBytes - used_bytes);
  return 1 + room / std::max<std::int64_t>(1, stride_bytes);
}

class RectangleCopy {
 public:
  RectangleCopy(const StoredMatrix& matrix, Range rows, Range columns,
                const TensorView& destination)
      : matrix_(matrix),
        element_bytes_(static_cast<std::int64_t>(SizeOf(matrix.dtype))),
        rows_(rows),
        columns_(columns),
        destination_(destination) {}

  void Run() {
    const std::vector<Tile> tiles = MakeTiles();
    if (!tiles.empty()) Prefetch(tiles.front());
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      if (i + 1 < tiles.size()) Prefetch(tiles[i + 1]);
      Copy(tiles[i]);
      Release(tiles[i]);
      Heartbeat();  // a disk may be slow
    }
    matrix_.file->CheckIntact();
  }

 private:
  bool RowsAreOuter() const { return matrix_.row_stride >= matrix_.column_stride; }

  // Whole rows as far as they fit into a tile; of a transposed matrix, whole columns.
  std::vector<Tile> MakeTiles() const {
    const bool rows_outer = RowsAreOuter();
    const Range outer = rows_outer ? rows_ : columns_;
    const Range inner = rows_outer ? columns_ : rows_;
    const auto [outer_stride, inner_stride] =
        std::minmax({matrix_.row_stride, matrix_.column_stride}, std::greater<>());
    const std::int64_t inner_count =
        std::min(inner.size(), CountInTile(inner_stride * element_bytes_, element_bytes_));
    const std::int64_t inner_bytes = (inner_count - 1) * inner_stride * element_bytes_;
    const std::int64_t outer_count =
        CountInTile(outer_stride * element_bytes_, inner_bytes + element_bytes_);
    std::vector<Tile> tiles;
    if (inner.size() == 0) return tiles;
    for (std::int64_t o = outer.begin; o < outer.end; o += outer_count) {
      const Range outer_part{o, std::min(outer.end, o + outer_count)};
      for (std::int64_t i = inner.begin; i < inner.end; i += inner_count) {
        const Range inner_part{i, std::min(inner.end, i + inner_count)};
        tiles.push_back(rows_outer ? Tile{outer_part, inner_part} : Tile{inner_part, outer_part});
      }
    }
    return tiles;
  }

  std::uint64_t ByteOffset(std::int64_t row, std::int64_t column) const {
    return matrix_.offset +
           static_cast<std::uint64_t>((row * matrix_.row_stride + column * matrix_.column_stride) *
                                      element_bytes_);
  }

  // Bytes from the first to the last element of a part of the matrix that is not empty.
  std::uint64_t Span(const Tile& part) const {
    return ByteOffset(part.rows.end - 1, part.columns.end - 1) +
           static_cast<std::uint64_t>(element_bytes_) -
           ByteOffset(part.rows.begin, part.columns.begin);
  }

  // Asks for each row's (or column's) stretch of bytes; those that touch or share pages become
  // one request.
  void Prefetch(const Tile& tile) const {
    const Range outer = RowsAreOuter() ? tile.rows : tile.columns;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    for (std::int64_t o = outer.begin; o < outer.end; ++o) {
      const Tile line =
          RowsAreOuter() ? Tile{{o, o + 1}, tile.columns} : Tile{tile.rows, {o, o + 1}};
      const std::uint64_t first = ByteOffset(line.rows.begin, line.columns.begin);
      const std::uint64_t past = first + Span(line);
      if (end != 0 && first / kPageBytes > (end - 1) / kPageBytes + 1) {
        matrix_.file->Prefetch(begin, end - begin);
        end = 0;
      }
      if (end == 0) begin = first;
      end = past;
    }
    matrix_.file->Prefetch(begin, end - begin);
  }

  void Release(const Tile& tile) const {
    matrix_.file->Release(ByteOffset(tile.rows.begin, tile.columns.begin), Span(tile));
  }

  void Copy(const Tile& tile) const {
    for (std::int64_t row = tile.rows.begin; row < tile.rows.end; ++row) {
      const std::int64_t index =
          (row - rows_.begin) * columns_.size() + tile.columns.begin - columns_.begin;
      std::byte* to = static_cast<std::byte*>(destination_.raw()) +
                      static_cast<std::size_t>(index) * SizeOf(destination_.dtype());
      const std::byte* from = matrix_.file->bytes().data() + ByteOffset(row, tile.columns.begin);
      CopyRun(from, to, tile.columns.size());
    }
  }

  // Elements of one row. Conversion wants them adjacent and aligned, which a file may not grant.
  void CopyRun(const std::byte* from, std::byte* to, std::int64_t count) const {
    const bool adjacent = matrix_.column_stride == 1 || count == 1;
    const bool aligned =
        reinterpret_cast<std::uintptr_t>(from) % static_cast<std::uintptr_t>(element_bytes_) == 0;
    if (adjacent && aligned) {
      ConvertElements(matrix_.dtype, from, destination_.dtype(), to,
                      static_cast<std::size_t>(count));
    } else {
      CopyThroughBuffer(from, to, count);
    }
  }

  void CopyThroughBuffer(const std::byte* from, std::byte* to, std::int64_t count) const {
    constexpr std::int64_t kBufferElements = 1024;
    alignas(64) std::array<std::byte, kBufferElements * sizeof(double)> buffer;
    const std::int64_t stride_bytes = matrix_.column_stride * element_bytes_;
    for (std::int64_t done = 0; done < count; done += kBufferElements) {
      const std::int64_t part = std::min(kBufferElements, count - done);
      for (std::int64_t i = 0; i < part; ++i)
        std::memcpy(buffer.data() + i * element_bytes_, from + (done + i) * stride_bytes,
                    static_cast<std::size_t>(element_bytes_));
      ConvertElements(matrix_.dtype, buffer.data(), destination_.dtype(),
                      to + static_cast<std::size_t>(done) * SizeOf(destination_.dtype()),
                      static_cast<std::size_t>(part));
    }
  }

  const StoredMatrix& matrix_;
  std::int64_t element_bytes_;
  Range rows_;
  Range columns_;
  const TensorView& destination_;
};

}  // namespace

void CopyRectangle(const StoredMatrix& matrix, Range rows, Range columns,
                   const TensorView& destination) {
  RectangleCopy(matrix, rows, columns, destination).Run();
}

}  // namespace lockstep
