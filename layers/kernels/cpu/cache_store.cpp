#include "layers/kernels/cpu/cache_store.h"

#include <cstring>
#include <memory>

namespace lockstep::cpu {
namespace {

// Elements of one row as they are kept, d_head of them and zeros up to the layout's width.
struct StoredRows {
  alignas(64) std::byte bytes[kMostPageTokens * kMostWidth * 4];
  std::int64_t stride;  // bytes
  float scales[kMostPageTokens];

  const std::byte* Row(std::int64_t i) const { return bytes + i * stride; }
};

struct Scratch {
  StoredRows keys;
  StoredRows values;
};

Scratch& OwnScratch() {
  thread_local const auto scratch = std::make_unique<Scratch>();
  return *scratch;
}

void PackRows(const CacheLayout& layout, const Kernels& kernels, const NewRows& rows,
              const float* x, StoredRows& out) {
  // Whole pieces: the last one of an odd head size ends with zeros.
  out.stride = (layout.width() * layout.element_bytes() + kLineBytes - 1) / kLineBytes * kLineBytes;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    std::byte* row = out.bytes + i * out.stride;
    std::memset(row, 0, static_cast<std::size_t>(out.stride));
    PackRow one{.x = x + i * rows.stride, .count = rows.d_head, .out = row, .stride = kLineBytes};
    if (layout.element_bytes() == 1) {
      std::int32_t sum = 0;
      one.quant_tiles = kMostWidth / kLineBytes;  // one scale for the row
      one.scales = out.scales + i;
      one.sums = &sum;
      kernels.pack_int8(one);
    } else {
      (layout.element_bytes() == 4 ? kernels.pack_f32 : kernels.pack_bf16)(one);
    }
  }
}

// A position is one lane of each line of keys: what stands side by side in its row does so there.
template <typename Lane>
void StoreKeys(const CacheLayout& layout, const NewRows& rows, const StoredRows& from,
               std::byte* keys) {
  const std::int64_t inputs = layout.line_inputs();
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::byte* row = from.Row(i);
    std::byte* lane = keys + layout.KeyOffset(rows.slot + i, 0);
    for (std::int64_t dim = 0; dim < layout.width(); dim += inputs) {
      std::memcpy(lane, row, sizeof(Lane));
      row += sizeof(Lane);
      lane += layout.line_bytes();
    }
  }
}

// fp32: sixteen elements of a row are a line of values.
void StoreWideValues(const CacheLayout& layout, const NewRows& rows, const StoredRows& from,
                     std::byte* values) {
  for (std::int64_t i = 0; i < rows.count; ++i)
    for (std::int64_t dim = 0; dim < layout.width(); dim += kPanelOutputs)
      std::memcpy(values + layout.ValueOffset(rows.slot + i, dim),
                  from.Row(i) + dim * layout.element_bytes(), kLineBytes);
}

// Two positions share a line, one element of each side by side in a word.
template <typename Element, typename Word>
void StorePairedValues(const CacheLayout& layout, const NewRows& rows, const StoredRows& from,
                       std::byte* values) {
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t slot = rows.slot + i;
    const bool pair = slot % 2 == 0 && i + 1 < rows.count;
    const auto* low = reinterpret_cast<const Element*>(from.Row(i));
    const auto* high = reinterpret_cast<const Element*>(from.Row(pair ? i + 1 : i));
    for (std::int64_t dim = 0; dim < layout.width(); dim += kPanelOutputs) {
      std::byte* line = values + layout.ValueOffset(slot, dim);
      for (std::int64_t lane = 0; lane < kPanelOutputs; ++lane, line += sizeof(Word)) {
        if (!pair) {
          std::memcpy(line, low + dim + lane, sizeof(Element));
          continue;
        }
        const auto word =
            static_cast<Word>(low[dim + lane] | high[dim + lane] << (8 * sizeof(Element)));
        std::memcpy(line, &word, sizeof(word));
      }
    }
    if (pair) ++i;
  }
}

void StoreScales(const NewRows& rows, const StoredRows& from, float* scales) {
  std::memcpy(scales + rows.slot, from.scales,
              static_cast<std::size_t>(rows.count) * sizeof(float));
}

}  // namespace

void StoreRows(const CacheLayout& layout, const Kernels& kernels, const NewRows& rows,
               std::int64_t page, std::int64_t head) {
  std::byte* keys = layout.Keys(page, head);
  std::byte* values = layout.Values(page, head);
  StoredRows& k = OwnScratch().keys;
  StoredRows& v = OwnScratch().values;
  PackRows(layout, kernels, rows, rows.k, k);
  PackRows(layout, kernels, rows, rows.v, v);
  switch (layout.element_bytes()) {
    case 4:
      StoreKeys<std::uint32_t>(layout, rows, k, keys);
      StoreWideValues(layout, rows, v, values);
      break;
    case 2:
      StoreKeys<std::uint32_t>(layout, rows, k, keys);
      StorePairedValues<std::uint16_t, std::uint32_t>(layout, rows, v, values);
      break;
    default:
      StoreKeys<std::uint16_t>(layout, rows, k, keys);
      StorePairedValues<std::uint8_t, std::uint16_t>(layout, rows, v, values);
      StoreScales(rows, k, layout.Scales(keys));
      StoreScales(rows, v, layout.Scales(values));
      break;
  }
}

}  // namespace lockstep::cpu
