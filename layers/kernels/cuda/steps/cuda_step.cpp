#include "layers/kernels/cuda/steps/cuda_step.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "layers/kernels/cuda/cuda_check.h"

namespace lockstep::cuda {

namespace {

static_assert(sizeof(PrefillTile) == 4 * sizeof(std::int32_t));

// Arrays of int32 behind each other, each beginning on 16 bytes. Add() returns where.
class Packer {
 public:
  std::size_t Add(std::span<const std::int32_t> values) {
    const std::size_t at = words_.size();
    words_.insert(words_.end(), values.begin(), values.end());
    words_.resize((words_.size() + 3) / 4 * 4);
    return at;
  }
  const std::vector<std::int32_t>& words() const { return words_; }

 private:
  std::vector<std::int32_t> words_;
};

template <typename T>
bool Same(std::span<const T> a, std::span<const T> b) {
  return a.data() == b.data() && a.size() == b.size();
}

struct Rows {
  std::vector<std::int32_t> sequence_of;
  std::vector<std::int32_t> position_of;
  std::vector<std::int32_t> page_tables;
  std::vector<std::int32_t> tiles;  // PrefillTile
  std::vector<std::int32_t> single_rows;
  std::int64_t stride = 0;
  std::int64_t max_positions = 0;
};

std::int32_t Narrow(std::int64_t value) {
  LOCKSTEP_CHECK(value >= INT32_MIN && value <= INT32_MAX, "{}", value);
  return static_cast<std::int32_t>(value);
}

void AddTiles(std::int32_t index, const SequenceRows& sequence, Rows& rows) {
  for (std::int64_t at = 0; at < sequence.token_count; at += kTileRows) {
    const std::int64_t count = std::min<std::int64_t>(kTileRows, sequence.token_count - at);
    for (const std::int64_t value :
         {std::int64_t{index}, sequence.first_row + at, count, sequence.start + at})
      rows.tiles.push_back(Narrow(value));
  }
}

void AddSequence(std::int32_t index, const SequenceRows& sequence, SumOrder order, Rows& rows) {
  for (std::int64_t i = 0; i < sequence.token_count; ++i) {
    const auto row = static_cast<std::size_t>(sequence.first_row + i);
    if (row >= rows.sequence_of.size()) {
      rows.sequence_of.resize(row + 1, -1);
      rows.position_of.resize(row + 1, 0);
    }
    rows.sequence_of[row] = index;
    rows.position_of[row] = Narrow(sequence.start + i);
  }
  // Pages beyond the stride hold positions that this step does not reach.
  const auto pages = std::min(static_cast<std::int64_t>(sequence.page_table.size()), rows.stride);
  std::copy_n(sequence.page_table.begin(), pages, rows.page_tables.begin() + index * rows.stride);
  if (order == SumOrder::kFixed)
    rows.max_positions = std::max(rows.max_positions, sequence.start + sequence.token_count);
  if (sequence.token_count > 1 || order == SumOrder::kFixed) return AddTiles(index, sequence, rows);
  if (sequence.token_count == 0) return;
  rows.single_rows.push_back(Narrow(sequence.first_row));
  rows.max_positions = std::max(rows.max_positions, sequence.start + 1);
}

Rows RowsOf(std::span<const SequenceRows> sequences, SumOrder order, std::int64_t stride) {
  Rows rows;
  rows.stride = stride;
  rows.page_tables.resize(sequences.size() * static_cast<std::size_t>(stride), -1);
  for (std::size_t i = 0; i < sequences.size(); ++i)
    AddSequence(static_cast<std::int32_t>(i), sequences[i], order, rows);
  return rows;
}

std::int64_t LongestTable(std::span<const SequenceRows> sequences) {
  std::size_t longest = 0;
  for (const SequenceRows& sequence : sequences)
    longest = std::max(longest, sequence.page_table.size());
  return static_cast<std::int64_t>(longest);
}

void AddEmptyTile(Rows& rows) { rows.tiles.insert(rows.tiles.end(), {-1, 0, 0, 0}); }

// Rows of no sequence.
void FillUp(const StepBucket& bucket, SumOrder order, Rows& rows) {
  const auto count = static_cast<std::size_t>(bucket.rows);
  rows.sequence_of.resize(count, -1);
  rows.position_of.resize(count, 0);
  rows.page_tables.resize(count * static_cast<std::size_t>(rows.stride), -1);
  rows.max_positions = bucket.max_positions;
  if (order == SumOrder::kQuickest) return rows.single_rows.resize(count, -1);
  while (rows.tiles.size() < 4 * count) AddEmptyTile(rows);
}

// Where what attention has to know lies, in words from the begin of what is sent.
struct RowPlaces {
  std::size_t sequence_of, position_of, page_tables, tiles, single_rows;
};

RowPlaces AddRows(const Rows& rows, Packer& packer) {
  RowPlaces places{};
  places.sequence_of = packer.Add(rows.sequence_of);
  places.position_of = packer.Add(rows.position_of);
  places.page_tables = packer.Add(rows.page_tables);
  places.tiles = packer.Add(rows.tiles);
  places.single_rows = packer.Add(rows.single_rows);
  return places;
}

BatchOnDevice OnDevice(const Rows& rows, const RowPlaces& places, const std::int32_t* base) {
  return {.rows = {.sequence_of = base + places.sequence_of,
                   .position_of = base + places.position_of,
                   .page_tables = base + places.page_tables,
                   .page_table_stride = rows.stride},
          .tiles = reinterpret_cast<const PrefillTile*>(base + places.tiles),
          .tile_count = static_cast<std::int64_t>(rows.tiles.size() / 4),
          .single_rows = base + places.single_rows,
          .single_count = static_cast<std::int64_t>(rows.single_rows.size()),
          .max_positions = rows.max_positions};
}

std::int64_t PowerOfTwo(std::int64_t least) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(least)));
}

// The memory of buckets, for the most rows at once so that it does not move with every larger one:
// a stride's pages and what else a row has, generously.
std::size_t BucketBytes(std::int64_t stride) {
  return static_cast<std::size_t>(kMaxBucketRows * (stride + 8)) * sizeof(std::int32_t);
}

}  // namespace

std::int64_t BucketRows(std::int64_t rows) {
  return rows <= 8 ? PowerOfTwo(rows) : (rows + 7) / 8 * 8;
}

std::int64_t BucketPositions(std::int64_t positions) {
  return PowerOfTwo(std::max<std::int64_t>(positions, kSplitPositions));
}

StepBucket BucketOf(const StepInputs& inputs) {
  const auto rows = static_cast<std::int64_t>(inputs.ids.size());
  if (rows == 0 || rows > kMaxBucketRows || inputs.logit_rows.size() != inputs.ids.size() ||
      inputs.sequences.size() != inputs.ids.size())
    return {};
  std::int64_t positions = kSplitPositions;
  for (const SequenceRows& sequence : inputs.sequences) {
    if (sequence.token_count != 1) return {};
    positions = std::max(positions, sequence.start + 1);
  }
  return {.rows = BucketRows(rows), .max_positions = BucketPositions(positions)};
}

void CudaStep::Reserve(const StepLimits& limits) {
  const std::int64_t sequences = std::min(limits.sequences, limits.tokens);
  const std::int64_t pages = (limits.positions + kPageTokens - 1) / kPageTokens;
  // Five arrays of a row each at most, page tables, tiles, and what brings seven arrays to 16
  // bytes; and as much for its two parts, of which one sequence may be in both.
  const std::int64_t whole =
      5 * limits.tokens + sequences * pages + 4 * (limits.tokens / kTileRows + sequences) + 7 * 4;
  const std::int64_t words = 2 * whole + 2 * pages + 4 * 4 + 7 * 4;
  const std::size_t bytes = static_cast<std::size_t>(words) * sizeof(std::int32_t);
  const std::size_t bucket = BucketBytes(BucketPositions(limits.positions) / kPageTokens);
  memory_.Get(bytes, stream_);
  bucket_memory_.Get(bucket, stream_);
  staging_.Reserve(std::max(bytes, bucket));
}

StepRows CudaStep::Begin(const StepInputs& inputs) {
  bucket_ = inputs.parts.empty() ? BucketOf(inputs) : StepBucket{};
  Send(inputs, bucket_);
  if (bucket_.rows > 0) return {bucket_.rows, bucket_.rows};
  return {static_cast<std::int64_t>(inputs.ids.size()),
          static_cast<std::int64_t>(inputs.logit_rows.size())};
}

void CudaStep::Send(const StepInputs& inputs, const StepBucket& bucket) {
  sent_ = inputs;
  sent_.parts = {};  // parts_ has them
  Packer packer;
  const bool fills = bucket.rows > 0;
  Rows rows = RowsOf(inputs.sequences, order_,
                     fills ? bucket.max_positions / kPageTokens : LongestTable(inputs.sequences));
  std::vector<std::int32_t> ids(inputs.ids.begin(), inputs.ids.end()), logit_rows;
  for (const std::int64_t row : inputs.logit_rows) logit_rows.push_back(Narrow(row));
  if (fills) {
    FillUp(bucket, order_, rows);
    ids.resize(rows.sequence_of.size(), -1);
    logit_rows.resize(rows.sequence_of.size(), 0);
  }
  const std::size_t ids_at = packer.Add(ids), logit_rows_at = packer.Add(logit_rows);
  const RowPlaces places = AddRows(rows, packer);
  struct Part {
    std::span<const SequenceRows> sequences;
    Rows rows;
    RowPlaces places;
  };
  std::vector<Part> parts;
  for (const std::span<const SequenceRows> part : inputs.parts) {
    Rows of_part = RowsOf(part, order_, LongestTable(part));
    const RowPlaces at = AddRows(of_part, packer);
    parts.push_back({part, std::move(of_part), at});
  }
  const std::size_t bytes = packer.words().size() * sizeof(std::int32_t);
  auto* base = static_cast<std::int32_t*>(
      fills ? bucket_memory_.Get(std::max(bytes, BucketBytes(rows.stride)), stream_)
            : memory_.Get(bytes, stream_));
  ids_ = base + ids_at;
  logit_rows_ = base + logit_rows_at;
  batch_ = OnDevice(rows, places, base);
  parts_.clear();
  for (const Part& part : parts)
    parts_.push_back({part.sequences, OnDevice(part.rows, part.places, base)});
  if (bytes == 0) return;
  void* staged = staging_.Take(bytes);
  std::memcpy(staged, packer.words().data(), bytes);
  Check(cudaMemcpyAsync(base, staged, bytes, cudaMemcpyHostToDevice, stream_.get()),
        "cudaMemcpyAsync");
  staging_.Enqueued();
}

const std::int32_t* CudaStep::Ids(std::span<const std::int32_t> ids) {
  if (!Same(ids, sent_.ids)) Send({.ids = ids, .sequences = {}, .logit_rows = {}}, {});
  return ids_;
}

const std::int32_t* CudaStep::LogitRows(std::span<const std::int64_t> rows) {
  if (!Same(rows, sent_.logit_rows)) Send({.ids = {}, .sequences = {}, .logit_rows = rows}, {});
  return logit_rows_;
}

const BatchOnDevice& CudaStep::Batch(std::span<const SequenceRows> sequences) {
  for (const SentPart& part : parts_)
    if (Same(part.sequences, sequences)) return part.batch;
  if (!Same(sequences, sent_.sequences))
    Send({.ids = {}, .sequences = sequences, .logit_rows = {}}, {});
  return batch_;
}

}  // namespace lockstep::cuda
