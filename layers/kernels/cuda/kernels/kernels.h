#pragma once

// The CUDA backend's kernels as plain functions: what they compute, on which shapes, and nothing of
// tensors, models or memory management. All pointers are device memory. Every launcher
//   - enqueues on the stream, which comes last, and does not synchronise,
//   - may be captured into a graph: what differs from replay to replay (ids, positions, page
//     tables, rows) is read from device memory, never from the arguments,
//   - does nothing for zero rows,
//   - throws Error(kInternal) for shapes and types it has no kernel for, and
//     Error(kEnvironment) when the launch fails.
// T is bf16 or fp16: DType::kBF16 or kF16 where a field names it. Statistics, sums and the residual
// stream are fp32. A row's result does not depend on the other rows of the launch.

#include <cuda_runtime.h>

#include <cstdint>

#include "core/numbers/dtype.h"
#include "layers/kernels/cuda/kernels/sum_order.h"
#include "partition/model/architecture.h"

namespace lockstep::cuda {

// ---- rows.cu ------------------------------------------------------------------------------------

struct EmbedArgs {
  const std::int32_t* ids = nullptr;  // [tokens]
  const void* table = nullptr;        // [row_count, d_model] fp32, bf16 or fp16
  DType table_type = DType::kBF16;
  std::int64_t first_row = 0;  // the vocabulary slice of this rank: rows of other ranks give zeros
  std::int64_t row_count = 0;
  // Added to them: this rank's rows of a table of positions, of table_type; null: no such table.
  const void* positions = nullptr;  // [position_count, d_model]
  std::int64_t first_position = 0;
  std::int64_t position_count = 0;
  const std::int32_t* sequence_of = nullptr;  // [tokens], as in BatchRows
  const std::int32_t* position_of = nullptr;
  float* y = nullptr;  // [tokens, d_model]
  std::int64_t tokens = 0;
  std::int64_t d_model = 0;
};
void Embed(const EmbedArgs& args, cudaStream_t stream);

struct Norm {
  const float* weight = nullptr;  // [d_model]
  const float* bias = nullptr;    // [d_model]
  void* y = nullptr;              // [tokens, d_model] of y_type; null: no such norm
};

// x[t] += delta[t] + bias_a + bias_b;  then up to two layer norms of the new x[t], in one pass over
// the row (parallel residuals need both norms of one x). Every step is optional:
//   delta null: x stays as it is (plain layer norm);  norms without y: plain residual addition.
//   rows, only without delta: norm of x[rows[t]] (the rows that get logits).
struct ResidualNormArgs {
  float* x = nullptr;           // [tokens, d_model]
  const void* delta = nullptr;  // [tokens, d_model] of delta_type
  DType delta_type = DType::kF32;
  const float* bias_a = nullptr;  // [d_model], may be null, as may bias_b
  const float* bias_b = nullptr;
  const std::int32_t* rows = nullptr;  // [tokens] or null
  Norm norms[2] = {};
  DType y_type = DType::kBF16;  // fp32, bf16, fp16
  float epsilon = 1e-5f;
  std::int64_t tokens = 0;
  std::int64_t d_model = 0;  // at most kMaxModelWidth
};
inline constexpr std::int64_t kMaxModelWidth = 16384;
void ResidualNorm(const ResidualNormArgs& args, cudaStream_t stream);

enum class Gelu : std::uint8_t { kNone, kExact, kTanh };

// x = gelu(x + bias), in place.
struct BiasGeluArgs {
  void* x = nullptr;  // [tokens, columns] of x_type
  DType x_type = DType::kBF16;
  const float* bias = nullptr;  // [columns] or null
  Gelu gelu = Gelu::kNone;
  std::int64_t tokens = 0;
  std::int64_t columns = 0;
};
void BiasGelu(const BiasGeluArgs& args, cudaStream_t stream);

// y[i] = x[rows[i]]
struct SelectRowsArgs {
  const float* x = nullptr;            // [any, width]
  const std::int32_t* rows = nullptr;  // [count]
  float* y = nullptr;                  // [count, width]
  std::int64_t count = 0;
  std::int64_t width = 0;
};
void SelectRows(const SelectRowsArgs& args, cudaStream_t stream);

// Between fp32, bf16 and fp16, to nearest even. Equal types copy.
struct ConvertArgs {
  const void* from = nullptr;  // [count]
  DType from_type = DType::kF32;
  void* to = nullptr;  // [count]; no overlap
  DType to_type = DType::kBF16;
  std::int64_t count = 0;
};
void Convert(const ConvertArgs& args, cudaStream_t stream);

// ---- attention: rotary.cu, prefill_attention.cu, decode_attention.cu
// ------------------------------

inline constexpr int kPageTokens = 32;
// Positions that one block of the decode kernel takes: splits are counted from position 0, so that
// a row's sums are the same in every batch.
inline constexpr int kSplitPositions = 128;
// Query rows of one tile of the prefill kernel.
inline constexpr int kTileRows = 64;
// The same of SumOrder::kFixed; and how many of them, of all rows, are kept apart at most.
inline constexpr int kFixedSplit = 512;
inline constexpr std::int64_t kMostFixedSplits = 1024;

enum class CacheFormat : std::uint8_t { kBF16, kF16, kFp8E4M3 };

// Elements kept for one head's key or value: d_head rounded up to a width that the attention
// kernels have (32, 64, 80, 96, 128, 256), the rest zeros. Throws BadInput above 256.
std::int64_t HeadWidth(std::int64_t d_head);

// Elements of the format that one position of a head's key or value takes: HeadWidth(d_head), and
// in fp8 four more, which are its scale.
std::int64_t CacheWidth(std::int64_t d_head, CacheFormat format);

// One layer's cache, as backend.h's KvPages.
struct Cache {
  // [page_count, 2 (key, value), local_heads] parts of kPageTokens * CacheWidth(d_head, format)
  // elements: [kPageTokens, HeadWidth(d_head)], and in fp8 behind them the scales, fp32
  // [kPageTokens]. A position's elements times its scale are its numbers; the largest is 448, the
  // largest of fp8.
  void* pages = nullptr;
  CacheFormat format = CacheFormat::kBF16;  // that of T, or fp8
  std::int64_t local_heads = 0;
  std::int64_t d_head = 0;
};

// Which sequence and position each row of the batch is. Rows that fill up a graph's bucket have
// sequence -1: nothing is read or written for them.
struct BatchRows {
  const std::int32_t* sequence_of = nullptr;  // [tokens]
  const std::int32_t* position_of = nullptr;  // [tokens]
  const std::int32_t* page_tables = nullptr;  // [sequences, page_table_stride]
  std::int64_t page_table_stride = 0;
};

// Adds the bias, rotates the first `rotary_dims` of q and k, writes q for the attention kernels and
// appends k and v to the cache.
struct RotaryAppendArgs {
  const void* qkv = nullptr;  // [tokens, 3 * local_heads * d_head] of T
  DType type = DType::kBF16;
  QkvLayout layout = QkvLayout::kFusedPerHead;
  const float* bias = nullptr;  // [3 * local_heads * d_head] in qkv's order, or null
  RotaryKind rotary = RotaryKind::kHalfSplit;
  std::int64_t rotary_dims = 0;  // even
  const float* cos = nullptr;    // [context, rotary_dims / 2], as is sin
  const float* sin = nullptr;
  BatchRows rows = {};
  Cache cache = {};
  void* q = nullptr;  // [tokens, local_heads, HeadWidth(d_head)] of T
  std::int64_t tokens = 0;
};
void RotaryAppend(const RotaryAppendArgs& args, cudaStream_t stream);

// Up to kTileRows neighbouring rows of one sequence.
struct PrefillTile {
  std::int32_t sequence = -1;  // -1: an empty tile (fills up a fixed number)
  std::int32_t first_row = 0;  // of the batch
  std::int32_t row_count = 0;  // 1..kTileRows
  std::int32_t first_position = 0;
};

// y = softmax(score_factor * q k^T / sqrt(d_head)) v, causal, for the rows of the tiles, after
// RotaryAppend has written all of the batch's keys. Other rows of y are not touched: a mixed batch
// runs this for its prompts and DecodeAttention for the rest.
struct PrefillAttentionArgs {
  const void* q = nullptr;  // [tokens, local_heads, HeadWidth(d_head)] of T
  DType type = DType::kBF16;
  const PrefillTile* tiles = nullptr;  // [tile_count]
  std::int64_t tile_count = 0;
  const std::int32_t* page_tables = nullptr;  // [sequences, page_table_stride]
  std::int64_t page_table_stride = 0;
  Cache cache = {};
  float score_factor = 1.0f;
  void* y = nullptr;  // [tokens, local_heads * d_head] of T
  // kFixed: single rows are tiles, too, and a row has the same bits in any of them. Then these:
  SumOrder order = SumOrder::kQuickest;
  std::int64_t rows = 0;           // of the batch
  std::int64_t max_positions = 0;  // as of DecodeAttention
  float* partial = nullptr;        // FixedPartialElements(...) elements
  unsigned* arrived = nullptr;     // [tile_count, local_heads] zeros, as which they are left
};
std::int64_t FixedPartialElements(const Cache& cache, std::int64_t most_rows);
void PrefillAttention(const PrefillAttentionArgs& args, cudaStream_t stream);

// The same for single rows: row_index[i] of the batch, or i where row_index is null.
struct DecodeAttentionArgs {
  const void* q = nullptr;  // [tokens, local_heads, HeadWidth(d_head)] of T
  DType type = DType::kBF16;
  const std::int32_t* row_index = nullptr;  // [row_count] or null; -1: no row
  std::int64_t row_count = 0;
  BatchRows rows = {};
  Cache cache = {};
  float score_factor = 1.0f;
  // The largest position of any row, now or in a replay, is less than this. Blocks of splits that a
  // row does not have end at once.
  std::int64_t max_positions = 0;
  float* partial = nullptr;     // DecodePartialElements(...) elements
  unsigned* arrived = nullptr;  // [row_count, local_heads] zeros, as which they are left
  void* y = nullptr;            // [tokens, local_heads * d_head] of T
};
std::int64_t DecodePartialElements(const Cache& cache, std::int64_t row_count,
                                   std::int64_t max_positions);
void DecodeAttention(const DecodeAttentionArgs& args, cudaStream_t stream);

// ---- dequantise.cu: weights of 8 bits -----------------------------------------------------------

// weight[o][i] = values[o][i] * scales[o][i / group_inputs]
struct Int8Weight {
  const std::int8_t* values = nullptr;  // [outputs, inputs]
  const float* scales = nullptr;        // [outputs, ceil(inputs / group_inputs)]
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  // One group of all inputs (a scale per output): >= inputs. Else a multiple of 16.
  std::int64_t group_inputs = 256;
};

// As T, [outputs, inputs]: for products of many rows, which then are cuBLAS's.
struct DequantiseArgs {
  Int8Weight weight = {};
  void* y = nullptr;  // [outputs, inputs] of y_type
  DType y_type = DType::kBF16;
};
void Dequantise(const DequantiseArgs& args, cudaStream_t stream);

// ---- few_rows.cu, one_row.cu: products of few rows ----------------------------------------------

// x W^T, or a part of it.
struct FewRowsPart {
  const void* x = nullptr;        // [rows, inputs] of x_type
  const void* weight = nullptr;   // [outputs, inputs] of x_type, or int8 where there are scales
  const float* scales = nullptr;  // as Int8Weight::scales, or null
  std::int64_t inputs = 0;        // 0: no such part
};

// y = gelu(the parts' sum + bias). Reads each weight once for up to kFewRows rows, so it is meant
// for a few of them. A row's bits do not depend on how many there are, as long as there are
// several.
inline constexpr std::int64_t kFewRows = 8;
struct FewRowsArgs {
  FewRowsPart parts[2] = {};
  DType x_type = DType::kBF16;
  std::int64_t group_inputs = 256;  // of the scales
  const float* bias = nullptr;      // [outputs] or null
  Gelu gelu = Gelu::kNone;
  void* y = nullptr;  // [rows, outputs] of y_type: fp32 or x_type
  DType y_type = DType::kF32;
  std::int64_t rows = 0;
  std::int64_t outputs = 0;
};
void FewRows(const FewRowsArgs& args, cudaStream_t stream);

// ---- sampling.cu --------------------------------------------------------------------------------

// The same layout as backend.h's RowStatistics.
struct RowSummary {
  float max = 0.0f;         // -infinity for an empty range
  std::int32_t argmax = 0;  // the lowest column of equals
  float target = 0.0f;      // 0 when the target lies in another range
  double sum_exp = 0.0;     // of exp(logit - max)
};

struct ColumnRange {
  std::int32_t begin = 0;
  std::int32_t end = 0;
};

struct SummariseArgs {
  const float* logits = nullptr;          // [rows, columns]
  const std::int32_t* targets = nullptr;  // [rows]; outside of all ranges: none
  const ColumnRange* ranges = nullptr;    // [range_count]
  std::int64_t range_count = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  RowSummary* y = nullptr;  // [rows, range_count]
};
void Summarise(const SummariseArgs& args, cudaStream_t stream);

struct TokenLogit {
  std::int32_t column = -1;  // -1: the row has fewer columns
  float logit = 0.0f;
};

// The `count` largest logits of each row among the first `limit` columns, largest first, the lowest
// column first of equals.
inline constexpr std::int64_t kMaxCandidates = 1024;
struct CandidatesArgs {
  const float* logits = nullptr;  // [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t limit = 0;   // at most columns
  std::int64_t count = 0;   // 1..kMaxCandidates
  TokenLogit* y = nullptr;  // [rows, count]
};
void Candidates(const CandidatesArgs& args, cudaStream_t stream);

// One race (layers/kernels/noise.h): a row of logits, and who takes part.
struct RaceRow {
  std::int32_t row = 0;
  std::uint32_t key_a = 0;
  std::uint32_t key_b = 0;
  float inverse_temperature = 1.0f;
  float before_logit = 0.0f;  // only what is likelier than this column
  std::int32_t before_column = 0;
};

// The `count` columns of each race with the largest ceilings: fp32 scores that are at least the
// exact ones, less what single precision rounds. The largest first; a column of -1 where fewer take
// part.
struct RaceArgs {
  const float* logits = nullptr;  // [rows, columns]
  std::int64_t columns = 0;
  std::int64_t limit = 0;  // at most columns
  std::int32_t first_token = 0;
  const RaceRow* races = nullptr;  // [race_count]
  std::int64_t race_count = 0;
  std::int64_t count = 0;   // 1..kMaxCandidates
  TokenLogit* y = nullptr;  // [race_count, count]
};
void RaceCandidates(const RaceArgs& args, cudaStream_t stream);

// ---- row_search.cu ------------------------------------------------------------------------------

struct LogitAt {
  std::int32_t row = 0;
  std::int32_t column = 0;
};

// Puts -infinity in these places, and what was there into y. No place twice.
struct TakeArgs {
  float* logits = nullptr;  // [rows, columns]
  std::int64_t columns = 0;
  const LogitAt* places = nullptr;  // [count]
  std::int64_t count = 0;
  float* y = nullptr;  // [count]
};
void TakeLogits(const TakeArgs& args, cudaStream_t stream);

// As backend.h's MassQuestion; bounds that nothing comes before where fewer are asked.
inline constexpr int kMassBounds = 8;
struct MassRow {
  std::int32_t row = 0;
  float reference = 0.0f;
  float inverse_temperature = 1.0f;
  float bound_logits[kMassBounds] = {};
  std::int32_t bound_columns[kMassBounds] = {};
};

struct MassArgs {
  const float* logits = nullptr;  // [rows, columns]
  std::int64_t columns = 0;
  const MassRow* questions = nullptr;  // [question_count]
  std::int64_t question_count = 0;
  const ColumnRange* ranges = nullptr;  // [range_count]
  std::int64_t range_count = 0;
  double* y = nullptr;  // [question_count, range_count, kMassBounds + 1]; the last is that of all
};
void SumMasses(const MassArgs& args, cudaStream_t stream);

// ---- ceilings.cu: what benchmarks compare with --------------------------------------------------

// Reads memory and writes nothing, as long as no 16 bytes of it make `never`.
struct ReadMemoryArgs {
  const void* memory = nullptr;
  std::int64_t bytes = 0;  // a multiple of 16
  unsigned never = 0xdeadbeefu;
  unsigned* found = nullptr;
};
void ReadMemory(const ReadMemoryArgs& args, int blocks, cudaStream_t stream);

// Fills with numbers as arbitrary as a model's, since products of zeros take less power.
struct ScatterArgs {
  void* y = nullptr;  // [count] bf16
  std::int64_t count = 0;
};
void Scatter(const ScatterArgs& args, cudaStream_t stream);

// ---- peer_reduce.cu: all-reduce of small messages between the GPUs of one host
// --------------------

inline constexpr int kMaxPeers = 8;
inline constexpr int kPeerBlocks = 32;

// One rank's memory that its peers can write and read (CUDA IPC). Zeroed once, before any use.
//   flags   [kPeerFlagPhases * kPeerBlocks * kMaxPeers]  written by the peers: epoch << 32 | count
//   epochs  [kPeerBlocks + 1]                            this rank's own: how many reductions were;
//                                                        behind them, not zero: given up
//   staging [2, staging_elements]                        in turns, by the epoch's parity
//   reduced [2, staging_elements]                        likewise; the two-shot form's own slice
inline constexpr int kPeerFlagPhases = 2;
inline constexpr std::int64_t kPeerFlags = kPeerFlagPhases * kPeerBlocks * kMaxPeers;
struct PeerMemory {
  std::uint64_t* flags = nullptr;
  std::uint32_t* epochs = nullptr;  // null but for the own rank
  void* staging = nullptr;
  void* reduced = nullptr;
};

// What the host and a kernel that waits for a peer tell each other, in pinned host memory. A kernel
// that waits gives up when it is told to, after PeerReduceArgs::spins looks, or when it finds a
// peer in another sum; it says which, and from then on this rank's reductions end at once, their
// results undefined. So nothing that a peer does or does not do keeps a device busy for ever.
enum class PeerFault : std::uint32_t { kNone, kToldTo, kLate, kOtherSize };
struct PeerStatus {
  std::uint32_t give_up = 0;  // the host: not zero
  std::uint32_t reserved = 0;
  std::uint64_t report = 0;  // the kernel: fault << 40 | peer << 32 | the peer's count
};

// One shot: each rank reads all of every peer's message. Two shots: each sums its slice, then reads
// the others' sums: less traffic, one more wait.
enum class PeerShots : std::uint8_t { kOne, kTwo };

// kWhole: one launch does all phases. Run apart, phase by phase, no launch has a block that waits
// for what a later block of a peer does; and with every rank's before the next, none waits at all.
enum class PeerPhase : std::uint8_t { kWhole, kPublish, kSum, kCollect };

// x = sum over ranks of x, in place, added as SumTree() of comm/reducer.h does.
struct PeerReduceArgs {
  void* x = nullptr;  // [count] of type: fp32, bf16 or fp16; sums in fp32
  DType type = DType::kF32;
  std::int64_t count = 0;  // at most staging_elements
  std::int64_t staging_elements = 0;
  int rank = 0;
  int rank_count = 1;  // at most kMaxPeers
  PeerMemory peers[kMaxPeers] = {};
  PeerStatus* status = nullptr;  // of this rank
  std::int64_t spins = 0;        // at most so many looks at a peer's flag, 0.2 to 1 us each
  // The next kernel may begin while this one waits. Not where a peer is on the same device: what
  // began early would fill it, and the peer's kernels, which this one waits for, have no room.
  bool next_may_begin = true;
};
void PeerReduce(const PeerReduceArgs& args, PeerShots shots, PeerPhase phase, cudaStream_t stream);
// All phases, in as many launches as it takes where this runs.
void PeerReduce(const PeerReduceArgs& args, PeerShots shots, cudaStream_t stream);

}  // namespace lockstep::cuda
