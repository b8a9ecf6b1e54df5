#include "layers/kernels/cpu/cpu_linear.h"

#include <algorithm>

namespace lockstep::cpu {
namespace {

// Panels worked on together: their weights of one chunk stay in the second-level cache while all
// rows pass.
constexpr std::int64_t kGroupPanels = 16;
// Tiles of the inner dimension between two visits to memory with the sums, while the weights of the
// group stay in the second-level cache. A multiple of every quantisation block.
constexpr std::int64_t kChunkTiles = 32;

// Room for the sums of one group, one for each level of the summation tree and thread.
float* SumsOfThisThread(std::size_t count) {
  thread_local std::vector<float> sums;
  if (sums.size() < count) sums.resize(count);
  return sums.data();
}

}  // namespace

struct CpuLinear::Group {
  Range panels;
  std::int64_t tile_floats;   // sums of one block of rows and one panel
  std::int64_t block_floats;  // of one block of rows and the group
  std::int64_t floats;        // of all rows
};

CpuLinear::CpuLinear(const LinearSource& source, const Kernels& kernels, ThreadPool& pool)
    : outputs_(source.parts.front().weight.view().dim(0)), weight_(source, kernels, pool) {
  LOCKSTEP_CHECK(source.parts.size() <= inputs_.size(), "{} parts", source.parts.size());
  for (std::size_t part = 0; part < source.parts.size(); ++part)
    inputs_[part] = source.parts[part].weight.view().dim(1);
  if (source.bias.empty()) return;
  bias_.resize(static_cast<std::size_t>(weight_.panels() * kPanelOutputs));
  std::copy_n(source.bias.view().data<float>(), outputs_, bias_.begin());
}

void CpuLinear::Run(const LinearArgs& args, const Kernels& kernels, ThreadPool& pool,
                    PackedRows& rows) const {
  const std::int64_t tokens = args.x.dim(0);
  LOCKSTEP_CHECK(args.x.dim(1) == inputs_[0] && args.y.dim(1) == outputs(), "x {} y {}",
                 args.x.shape().ToString(), args.y.shape().ToString());
  LOCKSTEP_CHECK(
      inputs_[1] == 0 || (args.x_second.dim(1) == inputs_[1] && args.x_second.dim(0) == tokens),
      "x_second {}", args.x_second.shape().ToString());
  if (tokens == 0) return;
  rows.Pack({args.x, args.x_second}, weight_.layout(), kernels, pool);
  pool.ParallelForPieces(weight_.panels(), kGroupPanels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; panel += kGroupPanels)
      RunGroup(args, kernels, rows, {panel, std::min(end, panel + kGroupPanels)});
  });
}

// Leaf by leaf. The sums of finished leaves wait in a stack, as the bits of a binary counter do:
// two that stand for equally many leaves are added at once.
void CpuLinear::RunGroup(const LinearArgs& args, const Kernels& kernels, const PackedRows& rows,
                         Range panels) const {
  Group group{panels, rows.block_rows() * kPanelOutputs, 0, 0};
  group.block_floats = group.tile_floats * panels.size();
  group.floats = group.block_floats * rows.blocks();
  constexpr std::size_t kLevels = 8;
  float* const stack = SumsOfThisThread(kLevels * static_cast<std::size_t>(group.floats));
  float* top = stack;
  std::size_t done = 0;
  for (const std::vector<Segment>& leaf : weight_.layout().leaves) {
    MultiplyLeaf(leaf, kernels, rows, group, top);
    top += group.floats;
    for (std::size_t bits = ++done; bits % 2 == 0; bits /= 2) {
      top -= group.floats;
      kernels.add(top - group.floats, top, group.floats, top - group.floats);
    }
  }
  FinishGroup(args, kernels, rows, group, stack);
}

void CpuLinear::MultiplyLeaf(const std::vector<Segment>& leaf, const Kernels& kernels,
                             const PackedRows& rows, const Group& group, float* sums) const {
  if (leaf.empty()) std::fill_n(sums, group.floats, 0.0f);
  for (const Segment& segment : leaf)
    MultiplySegment(segment, &segment == leaf.data() ? Start::kZero : Start::kContinue, kernels,
                    rows, group, sums);
}

void CpuLinear::MultiplySegment(const Segment& segment, Start start, const Kernels& kernels,
                                const PackedRows& rows, const Group& group, float* sums) const {
  const InnerLayout& layout = weight_.layout();
  const auto multiply = layout.format == WeightFormat::kF32    ? kernels.product_f32
                        : layout.format == WeightFormat::kBF16 ? kernels.product_bf16
                        : layout.format == WeightFormat::kInt8 ? kernels.product_int8
                                                               : kernels.product_int4;
  // One or two blocks of rows read every weight once anyway.
  const std::int64_t chunk = rows.blocks() <= 2 ? segment.tiles : kChunkTiles;
  for (std::int64_t at = 0; at < segment.tiles; at += chunk) {
    const std::int64_t tile = segment.first_tile + at;
    const std::int64_t quant =
        layout.quant_tiles == 0 ? 0 : segment.first_quant + at / layout.quant_tiles;
    for (std::int64_t block = 0; block < rows.blocks(); block += 2)
      multiply({.rows = rows.Tiles(block, tile),
                .block_stride = rows.block_stride(),
                .blocks = std::min<std::int64_t>(2, rows.blocks() - block),
                .block_rows = rows.block_rows(),
                .panels = weight_.Tiles(group.panels.begin, tile),
                .panel_stride = weight_.panel_stride(),
                .panel_count = group.panels.size(),
                .tiles = std::min(chunk, segment.tiles - at),
                .c = sums + block * group.block_floats,
                .c_block_stride = group.block_floats,
                .c_panel_stride = group.tile_floats,
                .start = at == 0 ? start : Start::kContinue,
                .fetches_ahead = block == 0,
                .row_scales = rows.Scales(block, quant),
                .row_sums = rows.Sums(block, quant),
                .scale_block_stride = rows.scale_stride(),
                .weight_scales = weight_.Scales(group.panels.begin, quant),
                .weight_scale_stride = weight_.scale_stride()});
  }
}

void CpuLinear::FinishGroup(const LinearArgs& args, const Kernels& kernels, const PackedRows& rows,
                            const Group& group, const float* sums) const {
  const std::int64_t output = group.panels.begin * kPanelOutputs;
  for (std::int64_t block = 0; block < rows.blocks(); ++block) {
    const std::int64_t first = block * rows.block_rows();
    kernels.finish({.c = sums + block * group.block_floats,
                    .c_panel_stride = group.tile_floats,
                    .rows = std::min(rows.block_rows(), rows.tokens() - first),
                    .bias = bias_.empty() ? nullptr : bias_.data() + output,
                    .activation = static_cast<int>(args.activation),
                    .y = args.y.data<float>() + first * outputs() + output,
                    .y_stride = outputs(),
                    .outputs = std::min(group.panels.end * kPanelOutputs, outputs()) - output});
  }
}

}  // namespace lockstep::cpu
