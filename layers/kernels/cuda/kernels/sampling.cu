// What choosing and scoring need of a row of logits, so that the row itself stays on the device.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
using Key = unsigned long long;

// Larger numbers have larger keys; of equals, the lower column has.
__device__ __forceinline__ Key KeyOf(float logit, int column) {
  // Minus zero equals zero, and so must its key.
  const unsigned bits = __float_as_uint(logit + 0.0f);
  const unsigned ordered = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<Key>(ordered) << 32 | ~static_cast<unsigned>(column);
}

__device__ __forceinline__ int ColumnOf(Key key) {
  return static_cast<int>(~static_cast<unsigned>(key));
}

__device__ __forceinline__ float LogitOf(Key key) {
  const auto ordered = static_cast<unsigned>(key >> 32);
  return __uint_as_float((ordered & 0x80000000u) != 0 ? ordered & 0x7fffffffu : ~ordered);
}

__device__ __forceinline__ Key BlockMax(Key key, Key* slots) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const Key other = __shfl_xor_sync(kAllLanes, key, offset);
    if (other > key) key = other;
  }
  if (threadIdx.x % kWarp == 0) slots[threadIdx.x / kWarp] = key;
  __syncthreads();
  key = slots[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp)
    if (slots[warp] > key) key = slots[warp];
  return key;
}

__device__ __forceinline__ double BlockSumOfDoubles(double x, double* slots) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
  if (threadIdx.x % kWarp == 0) slots[threadIdx.x / kWarp] = x;
  __syncthreads();
  x = slots[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) x += slots[warp];
  return x;
}

// A block for each row and range. The second pass finds the range in the cache.
__global__ void __launch_bounds__(kThreads) SummariseKernel(SummariseArgs args) {
  LOCKSTEP_SHARED(Key[kWarps], keys);
  LOCKSTEP_SHARED(double[kWarps], sums);
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t row = blockIdx.x;
  const ColumnRange range = args.ranges[blockIdx.y];
  const float* logits = args.logits + row * args.columns;
  const int first = range.begin + static_cast<int>(threadIdx.x);
  Key best = 0;  // less than that of any logit
  for (int column = first; column < range.end; column += kThreads) {
    const Key key = KeyOf(logits[column], column);
    if (key > best) best = key;
  }
  best = BlockMax(best, keys);
  const float largest = best == 0 ? -INFINITY : LogitOf(best);
  // A thread adds up a few hundred at most: fp32 is enough there, and doubles are slow on many
  // devices. Threads' sums are added as doubles.
  float sum = 0.0f;
  for (int column = first; column < range.end; column += kThreads)
    sum += expf(logits[column] - largest) + logits[column] * 0.0f;  // NaN unless it is finite
  const double sum_exp = BlockSumOfDoubles(sum, sums);
  if (threadIdx.x != 0) return;
  const std::int32_t target = args.targets[row];
  RowSummary summary;
  summary.max = largest;
  summary.argmax = best == 0 ? 0 : ColumnOf(best);
  summary.target = target >= range.begin && target < range.end ? logits[target] : 0.0f;
  summary.sum_exp = sum_exp;
  args.y[row * args.range_count + blockIdx.y] = summary;
}

// Radix selection by digits of the keys, highest first. Eleven bits hold sign, exponent and two
// bits of mantissa: enough bins that a warp's logits seldom meet in one counter.
constexpr int kDigitBits = 11;
constexpr int kBins = 1 << kDigitBits;
constexpr int kThreadBins = kBins / kThreads;

// The keys that are selected: those whose bits under `mask` are at least `prefix`.
struct Selection {
  Key prefix = 0;
  Key mask = 0;
  int needed = 0;  // of the keys that equal the prefix under the mask
  int equal = 0;   // how many these are
};

// What is selected from: logits as they are.
struct LogitKeys {
  const float* logits;
  __device__ Key operator()(int column) const { return KeyOf(logits[column], column); }
};

// The scores of a race, rounded up: layers/kernels/noise.h, whose NoiseBits() this is. A column
// that takes no part has a key below that of any number, of which no two are equal either.
struct RaceKeys {
  const float* logits;
  RaceRow race;
  unsigned first_token;

  __device__ Key operator()(int column) const {
    const float logit = logits[column];
    const bool before =
        logit > race.before_logit || (logit == race.before_logit && column < race.before_column);
    if (!before || !(fabsf(logit) < INFINITY))
      return static_cast<Key>(~static_cast<unsigned>(column));
    return KeyOf(logit * race.inverse_temperature + Noise(static_cast<unsigned>(column)), column);
  }

 private:
  __device__ float Noise(unsigned column) const {
    unsigned x = first_token + column + race.key_a;
    x = (x ^ (x >> 17)) * 0xed5ad4bbu ^ race.key_b;
    x = (x ^ (x >> 11)) * 0xac4c1b51u;
    x = (x ^ (x >> 15)) * 0x31848babu;
    x ^= x >> 14;
    return -logf(-log1pf(-static_cast<float>(x >> 8) * 0x1p-24f));
  }
};

// Counts the digits at `shift` of all keys that equal the prefix, and takes the digit in which the
// last needed key lies into the prefix.
template <class Keys>
__device__ __forceinline__ void SelectDigit(const Keys& key_of, int limit, int shift,
                                            unsigned* bins, unsigned* totals,
                                            Selection& selection) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < kBins; i += kThreads) bins[i] = 0;
  __syncthreads();
  const Key digit_mask = static_cast<Key>(kBins - 1);
  for (int column = thread; column < limit; column += kThreads) {
    const Key key = key_of(column);
    if ((key & selection.mask) == selection.prefix)
      atomicAdd(&bins[static_cast<unsigned>(key >> shift & digit_mask)], 1u);
  }
  __syncthreads();
  unsigned own = 0;
#pragma unroll
  for (int i = 0; i < kThreadBins; ++i) own += bins[thread * kThreadBins + i];
  totals[thread] = own;
  __syncthreads();
  // Every thread walks down alike: no barrier, and the reads are broadcasts.
  auto needed = static_cast<unsigned>(selection.needed);
  int block = kThreads - 1;
  while (block > 0 && totals[block] < needed) needed -= totals[block--];
  int bin = block * kThreadBins + kThreadBins - 1;
  while (bin > 0 && bins[bin] < needed) needed -= bins[bin--];
  selection.needed = static_cast<int>(needed);
  selection.equal = static_cast<int>(bins[bin]);
  selection.prefix |= static_cast<Key>(bin) << shift;
  selection.mask |= digit_mask << shift;
  __syncthreads();  // before the bins are cleared again
}

// Largest first; `size` is a power of two.
__device__ __forceinline__ void SortKeys(Key* keys, int size) {
  for (int run = 2; run <= size; run *= 2)
    for (int distance = run / 2; distance > 0; distance /= 2) {
      for (int i = static_cast<int>(threadIdx.x); i < size; i += kThreads) {
        const int other = i ^ distance;
        const bool descending = (i & run) == 0;
        if (other > i && (keys[i] < keys[other]) == descending) {
          const Key swapped = keys[i];
          keys[i] = keys[other];
          keys[other] = swapped;
        }
      }
      __syncthreads();
    }
}

// The `count` largest of `limit` keys, sorted, into the block's shared memory.
template <class Keys>
__device__ __forceinline__ const Key* SelectLargest(const Keys& key_of, int limit, int count,
                                                    int sort_size) {
  LOCKSTEP_SHARED(unsigned[kBins], bins);
  LOCKSTEP_SHARED(unsigned[kThreads], totals);
  LOCKSTEP_SHARED(Key[kMaxCandidates], keys);
  LOCKSTEP_SHARED(unsigned[1], found);
  for (int i = static_cast<int>(threadIdx.x); i < sort_size; i += kThreads) keys[i] = 0;
  if (threadIdx.x == 0) found[0] = 0;
  Selection selection;
  selection.needed = count;
  selection.equal = limit;
  // Stops as soon as all keys that equal the prefix are needed: seldom after more than the logit's
  // 32 bits, since the column's bits decide only between equal logits.
  for (int shift = 64 - kDigitBits; selection.equal > selection.needed; shift -= kDigitBits)
    SelectDigit(key_of, limit, shift < 0 ? 0 : shift, bins, totals, selection);
  __syncthreads();
  for (int column = static_cast<int>(threadIdx.x); column < limit; column += kThreads) {
    const Key key = key_of(column);
    if ((key & selection.mask) >= selection.prefix) keys[atomicAdd(&found[0], 1u)] = key;
  }
  __syncthreads();
  SortKeys(keys, sort_size);
  return keys;
}

__global__ void __launch_bounds__(kThreads) CandidatesKernel(CandidatesArgs args, int sort_size) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const LogitKeys key_of{args.logits + blockIdx.x * args.columns};
  const int count = static_cast<int>(args.count < args.limit ? args.count : args.limit);
  const Key* keys = SelectLargest(key_of, static_cast<int>(args.limit), count, sort_size);
  for (int i = static_cast<int>(threadIdx.x); i < args.count; i += kThreads) {
    TokenLogit candidate{-1, -INFINITY};
    if (i < count) candidate = {ColumnOf(keys[i]), LogitOf(keys[i])};
    args.y[blockIdx.x * args.count + i] = candidate;
  }
}

__global__ void __launch_bounds__(kThreads) RaceKernel(RaceArgs args, int sort_size) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const RaceRow race = args.races[blockIdx.x];
  const float* logits = args.logits + race.row * args.columns;
  const RaceKeys key_of{logits, race, static_cast<unsigned>(args.first_token)};
  const int count = static_cast<int>(args.count < args.limit ? args.count : args.limit);
  const Key* keys = SelectLargest(key_of, static_cast<int>(args.limit), count, sort_size);
  for (int i = static_cast<int>(threadIdx.x); i < args.count; i += kThreads) {
    TokenLogit candidate{-1, -INFINITY};
    if (i < count && (keys[i] >> 32) != 0)
      candidate = {ColumnOf(keys[i]), logits[ColumnOf(keys[i])]};
    args.y[blockIdx.x * args.count + i] = candidate;
  }
}

int SortSize(std::int64_t count) {
  int size = 2;
  while (size < count) size *= 2;
  return size;
}

}  // namespace

void Summarise(const SummariseArgs& args, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(args.rows), static_cast<unsigned>(args.range_count));
  Launch("Summarise", {grid, dim3(kThreads), stream}, SummariseKernel, args);
}

void Candidates(const CandidatesArgs& args, cudaStream_t stream) {
  if (args.count < 1 || args.count > kMaxCandidates || args.limit > args.columns)
    RefuseArguments("Candidates", "1 to 1024 candidates of the row's columns");
  Launch("Candidates", {dim3(static_cast<unsigned>(args.rows)), dim3(kThreads), stream},
         CandidatesKernel, args, SortSize(args.count));
}

void RaceCandidates(const RaceArgs& args, cudaStream_t stream) {
  if (args.count < 1 || args.count > kMaxCandidates || args.limit > args.columns)
    RefuseArguments("RaceCandidates", "1 to 1024 candidates of the row's columns");
  Launch("RaceCandidates", {dim3(static_cast<unsigned>(args.race_count)), dim3(kThreads), stream},
         RaceKernel, args, SortSize(args.count));
}

}  // namespace lockstep::cuda
