#include "layers/kernels/cpu/packed_weight.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lockstep::cpu {
namespace {

static_assert(kInt8GroupInputs == kInt8QuantTiles * kLineBytes);
static_assert(kInt4GroupInputs == kInt4QuantTiles * kLineBytes);

std::int64_t TileInputs(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32: return 16;
    case WeightFormat::kBF16: return 32;
    default: return 64;
  }
}

std::int64_t QuantTiles(WeightFormat format) {
  switch (format) {
    case WeightFormat::kInt8: return kInt8QuantTiles;
    case WeightFormat::kInt4: return kInt4QuantTiles;
    default: return 0;
  }
}

std::int64_t DivideUp(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Sixteen outputs of one segment side by side: lanes [inputs up to the last tile's end][16], with
// zeros for outputs and inputs that do not exist.
void Transpose(const TensorView& weight, std::int64_t first_output, const Segment& segment,
               std::int64_t tile_inputs, std::vector<float>& lanes) {
  const std::int64_t outputs = std::min(kPanelOutputs, weight.dim(0) - first_output);
  const std::int64_t inputs = weight.dim(1);
  lanes.assign(static_cast<std::size_t>(segment.tiles * tile_inputs * kPanelOutputs), 0.0f);
  for (std::int64_t n = 0; n < outputs; ++n) {
    const std::int64_t row = (first_output + n) * inputs + segment.inputs.begin;
    float* out = lanes.data() + n;
    if (weight.dtype() == DType::kF32) {
      const float* x = weight.data<float>() + row;
      for (std::int64_t i = 0; i < segment.inputs.size(); ++i) out[i * kPanelOutputs] = x[i];
    } else {
      const BFloat16* x = weight.data<BFloat16>() + row;
      for (std::int64_t i = 0; i < segment.inputs.size(); ++i)
        out[i * kPanelOutputs] = static_cast<float>(x[i]);
    }
  }
}

// Exact: the lanes come from bf16.
void PackBf16Lines(const std::vector<float>& lanes, std::byte* out) {
  auto* halves = reinterpret_cast<std::uint16_t*>(out);
  for (std::size_t i = 0; i < lanes.size(); i += 2 * kPanelOutputs)
    for (std::size_t n = 0; n < kPanelOutputs; ++n) {
      const auto low = std::bit_cast<std::uint32_t>(lanes[i + n]);
      const auto high = std::bit_cast<std::uint32_t>(lanes[i + kPanelOutputs + n]);
      halves[i + 2 * n] = static_cast<std::uint16_t>(low >> 16);
      halves[i + 2 * n + 1] = static_cast<std::uint16_t>(high >> 16);
    }
}

}  // namespace

InnerLayout::InnerLayout(WeightFormat format_in, std::span<const LinearPart> parts)
    : format(format_in), tile_inputs(TileInputs(format_in)), quant_tiles(QuantTiles(format_in)) {
  const std::size_t count = std::max<std::size_t>(1, parts.front().leaves.size());
  LOCKSTEP_CHECK(std::has_single_bit(count), "{} leaves", count);
  leaves.resize(count);
  for (std::size_t leaf = 0; leaf < count; ++leaf)
    for (std::size_t part = 0; part < parts.size(); ++part) {
      const std::int64_t all = parts[part].weight.view().dim(1);
      LOCKSTEP_CHECK(parts[part].leaves.empty() || parts[part].leaves.size() == count,
                     "{} leaves beside {}", parts[part].leaves.size(), count);
      const Range inputs = parts[part].leaves.empty() ? Range{0, all} : parts[part].leaves[leaf];
      LOCKSTEP_CHECK(inputs.begin >= 0 && inputs.end <= all, "a leaf [{}, {}) of {} inputs",
                     inputs.begin, inputs.end, all);
      const std::int64_t own = DivideUp(inputs.size(), tile_inputs);
      if (own == 0) continue;
      leaves[leaf].push_back({static_cast<int>(part), inputs, tiles, own, quant_blocks});
      tiles += own;
      if (quant_tiles > 0) quant_blocks += DivideUp(own, quant_tiles);
    }
}

PackedWeight::PackedWeight(const LinearSource& source, const Kernels& kernels, ThreadPool& pool)
    : layout_(source.format, source.parts),
      panels_(DivideUp(source.parts.front().weight.view().dim(0), kPanelOutputs)),
      stored_tile_bytes_(source.format == WeightFormat::kInt4 ? kTileBytes / 2 : kTileBytes),
      panel_stride_(layout_.tiles * stored_tile_bytes_) {
  constexpr std::int64_t kWord = 4;
  tiles_ = Tensor::OnHost(DType::kI32, {panels_, panel_stride_ / kWord});
  scales_ = Tensor::OnHost(DType::kBF16, {panels_, scale_stride()});
  pool.ParallelFor(panels_, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> lanes;
    for (std::int64_t panel = begin; panel < end; ++panel) PackPanel(source, kernels, panel, lanes);
  });
}

void PackedWeight::PackPanel(const LinearSource& source, const Kernels& kernels, std::int64_t panel,
                             std::vector<float>& lanes) {
  for (const std::vector<Segment>& leaf : layout_.leaves)
    for (const Segment& segment : leaf) {
      const TensorView& weight = source.parts[static_cast<std::size_t>(segment.part)].weight.view();
      LOCKSTEP_CHECK(weight.dtype() == SourceDType(layout_.format), "{} for {}",
                     Name(weight.dtype()), Name(layout_.format));
      Transpose(weight, panel * kPanelOutputs, segment, layout_.tile_inputs, lanes);
      auto* out = const_cast<std::byte*>(Tiles(panel, segment.first_tile));
      auto* scales = const_cast<std::uint16_t*>(Scales(panel, segment.first_quant));
      switch (layout_.format) {
        case WeightFormat::kF32:
          std::memcpy(out, lanes.data(), lanes.size() * sizeof(float));
          break;
        case WeightFormat::kBF16: PackBf16Lines(lanes, out); break;
        case WeightFormat::kInt8:
          kernels.quantize_int8(lanes.data(), segment.tiles, out, scales);
          break;
        case WeightFormat::kInt4:
          kernels.quantize_int4(lanes.data(), segment.tiles, out, scales);
          break;
        case WeightFormat::kF16:
        case WeightFormat::kF8: break;  // refused by the backend
      }
    }
}

}  // namespace lockstep::cpu
