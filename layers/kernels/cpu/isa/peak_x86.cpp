#include "layers/kernels/cpu/peak_loops.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

// Each function names the instructions it is compiled for, so that nothing around it uses them.
#define LOCKSTEP_TARGET(isa) __attribute__((target(isa), noinline))

namespace lockstep::cpu {
namespace {

// Keeps a value in a register and hides where it came from: the loop cannot be thrown away, and
// its operands are no constants.
#define LOCKSTEP_OPAQUE(value) asm volatile("" : "+v"(value))

// Sums of integers. __m512i and __m256i may alias anything, so that GCC keeps arrays of them in
// memory, and stores cost more than the instructions that are measured.
using Ints512 [[gnu::vector_size(64)]] = int;
using Ints256 [[gnu::vector_size(32)]] = int;

constexpr int kSums = 20;  // of 32 registers; the units take 2 a cycle and answer after 4 to 6

LOCKSTEP_TARGET("avx512f") void FmaAvx512(std::int64_t iterations) {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512 a = _mm512_set1_ps(1e-3f);
  __m512 b = _mm512_set1_ps(1.5f);
  for (std::int64_t i = 0; i < iterations; ++i) {
    LOCKSTEP_OPAQUE(a);
#pragma GCC unroll 20
    for (int j = 0; j < kSums; ++j) sums[j] = _mm512_fmadd_ps(a, b, sums[j]);
  }
  for (__m512& sum : sums) LOCKSTEP_OPAQUE(sum);
}

LOCKSTEP_TARGET("avx2,fma") void FmaAvx2(std::int64_t iterations) {
  constexpr int kHalf = 10;  // of 16 registers
  __m256 sums[kHalf];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  __m256 a = _mm256_set1_ps(1e-3f);
  __m256 b = _mm256_set1_ps(1.5f);
  for (std::int64_t i = 0; i < iterations; ++i) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 10
    for (int j = 0; j < kHalf; ++j) sums[j] = _mm256_fmadd_ps(a, b, sums[j]);
  }
  for (__m256& sum : sums) asm volatile("" : "+x"(sum));
}

// Without VNNI integers take an instruction more, which adds what the first has multiplied.
LOCKSTEP_TARGET("avx2") void DotInt8Avx2(std::int64_t iterations) {
  constexpr int kHalf = 10;  // of 16 registers
  Ints256 sums[kHalf] = {};
  const __m256i a = _mm256_set1_epi16(77);
  const __m256i b = _mm256_set1_epi16(-53);
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 10
    for (int j = 0; j < kHalf; ++j) {
      Ints256 products;  // in assembly, or one product would serve all sums
      asm volatile("vpmaddwd %1, %2, %0" : "=x"(products) : "x"(a), "x"(b));
      sums[j] += products;
    }
  }
  for (Ints256& sum : sums) asm volatile("" : "+x"(sum));
}

LOCKSTEP_TARGET("avx512f,avx512bf16") void DotBf16Avx512(std::int64_t iterations) {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512i a = _mm512_set1_epi32(0x3a833a83);  // 0.001 twice
  __m512i b = _mm512_set1_epi32(0x3fc03fc0);  // 1.5 twice
  for (std::int64_t i = 0; i < iterations; ++i) {
    LOCKSTEP_OPAQUE(a);
#pragma GCC unroll 20
    for (int j = 0; j < kSums; ++j)
      sums[j] =
          _mm512_dpbf16_ps(sums[j], reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  for (__m512& sum : sums) LOCKSTEP_OPAQUE(sum);
}

LOCKSTEP_TARGET("avx512f,avx512vnni") void DotInt8Avx512(std::int64_t iterations) {
  Ints512 sums[kSums] = {};
  const __m512i a = _mm512_set1_epi8(77);
  const __m512i b = _mm512_set1_epi8(-53);
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 20
    for (int j = 0; j < kSums; ++j) {
      Ints512 sum = sums[j];
      asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
      sums[j] = sum;
    }
  }
  for (Ints512& sum : sums) LOCKSTEP_OPAQUE(sum);
}

struct alignas(64) TileConfig {
  std::uint8_t palette = 0;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t column_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Full tiles: 16 rows of 64 bytes. Leaves the thread's configuration as it was, because others
// rely on theirs. The compiler takes the intrinsics to touch eight bytes only: hence Escape().
class FullTiles {
 public:
  LOCKSTEP_TARGET("amx-tile") FullTiles() {
    Escape(&before_);
    _tile_storeconfig(&before_);
    TileConfig config;
    config.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
      config.column_bytes[tile] = 64;
      config.rows[tile] = 16;
    }
    Escape(&config);
    _tile_loadconfig(&config);
  }
  LOCKSTEP_TARGET("amx-tile") ~FullTiles() {
    Escape(&before_);
    _tile_loadconfig(&before_);
  }

 private:
  static void Escape(TileConfig* config) { asm volatile("" : : "r"(config) : "memory"); }

  TileConfig before_;
};

constexpr double kTileSums = 16 * 16;  // of one instruction, each over 64 bytes

// Six tiles of sums, empty, and two of operands: 1 KiB, the same in both.
LOCKSTEP_TARGET("amx-tile") void LoadTiles(const void* operand) {
  asm volatile("" : : "r"(operand) : "memory");  // as for the configuration
  _tile_loadd(6, operand, 64);
  _tile_loadd(7, operand, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
}

LOCKSTEP_TARGET("amx-tile,amx-bf16") void DotBf16Amx(std::int64_t iterations) {
  const FullTiles tiles;
  alignas(64) std::uint16_t operand[16 * 32];
  for (std::uint16_t& value : operand) value = 0x3c23;  // 0.01
  LoadTiles(operand);
  for (std::int64_t i = 0; i < iterations; ++i) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
}

LOCKSTEP_TARGET("amx-tile,amx-int8") void DotInt8Amx(std::int64_t iterations) {
  const FullTiles tiles;
  alignas(64) std::uint8_t operand[16 * 64];
  for (std::uint8_t& value : operand) value = 77;
  LoadTiles(operand);
  for (std::int64_t i = 0; i < iterations; ++i) {
    _tile_dpbusd(0, 6, 7);
    _tile_dpbusd(1, 6, 7);
    _tile_dpbusd(2, 6, 7);
    _tile_dpbusd(3, 6, 7);
    _tile_dpbusd(4, 6, 7);
    _tile_dpbusd(5, 6, 7);
  }
}

// Whether tiles can be used: the processor has them (CPUID 7: EDX bits 24, 22 and 25) and Linux
// grants their state on being asked.
struct Amx {
  bool bf16 = false;
  bool int8 = false;

  Amx() {
    unsigned a = 7, b = 0, c = 0, d = 0;
    if (__builtin_cpu_supports("avx512f") == 0) return;  // also: too old for leaf 7
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long kTileData = 18;
    if ((d >> 24 & 1u) == 0 || ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0)
      return;
    bf16 = (d >> 22 & 1u) != 0;
    int8 = (d >> 25 & 1u) != 0;
  }
};

template <typename Vector, std::size_t kCount>
std::uint64_t Fold(const Vector (&sums)[kCount]) {
  std::uint64_t words[kCount * sizeof(Vector) / sizeof(std::uint64_t)];
  std::memcpy(words, sums, sizeof(sums));
  std::uint64_t all = 0;
  for (const std::uint64_t word : words) all ^= word;
  return all;
}

// Several places at a time, because the prefetchers stop at the end of each page: more pages give
// them more to do. Each place asks for what comes kAhead bytes later.
template <std::size_t kPlaces, std::size_t kAhead>
LOCKSTEP_TARGET("avx512f")
std::uint64_t ReadAvx512(const std::byte* data, std::size_t bytes) {
  const std::size_t part = bytes / kPlaces;
  __m512i sums[kPlaces];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (std::size_t at = 0; at < part; at += 64)
#pragma GCC unroll 16
    for (std::size_t place = 0; place < kPlaces; ++place) {
      const std::byte* here = data + place * part + at;
      if constexpr (kAhead != 0)
        _mm_prefetch(reinterpret_cast<const char*>(here + kAhead), _MM_HINT_T0);
      sums[place] = _mm512_xor_si512(sums[place], _mm512_load_si512(here));
    }
  return Fold(sums);
}

template <std::size_t kPlaces, std::size_t kAhead>
LOCKSTEP_TARGET("avx2")
std::uint64_t ReadAvx2(const std::byte* data, std::size_t bytes) {
  const std::size_t part = bytes / kPlaces;
  __m256i sums[kPlaces];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (std::size_t at = 0; at < part; at += 64)
#pragma GCC unroll 8
    for (std::size_t place = 0; place < kPlaces; ++place) {
      const std::byte* here = data + place * part + at;
      if constexpr (kAhead != 0)
        _mm_prefetch(reinterpret_cast<const char*>(here + kAhead), _MM_HINT_T0);
      const auto* halves = reinterpret_cast<const __m256i*>(here);
      const __m256i both =
          _mm256_xor_si256(_mm256_load_si256(halves), _mm256_load_si256(halves + 1));
      sums[place] = _mm256_xor_si256(sums[place], both);
    }
  return Fold(sums);
}

}  // namespace

std::vector<Peak> NativePeaks() {
  constexpr double kLanes = 2.0 * kSums;  // a multiplication and an addition for each sum
  static const Amx amx;
  std::vector<Peak> peaks;
  if (__builtin_cpu_supports("avx512f"))
    peaks.push_back({"fp32 FMA (AVX-512)", PeakKind::kFp32, 16 * kLanes, FmaAvx512});
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    peaks.push_back({"fp32 FMA (AVX2)", PeakKind::kFp32, 8 * kLanes / 2, FmaAvx2});
  if (__builtin_cpu_supports("avx512bf16"))
    peaks.push_back({"bf16 VDPBF16PS (AVX-512)", PeakKind::kBf16, 32 * kLanes, DotBf16Avx512});
  if (amx.bf16)
    peaks.push_back(
        {"bf16 TDPBF16PS (AMX)", PeakKind::kBf16, 6 * 2.0 * 32 * kTileSums, DotBf16Amx});
  if (__builtin_cpu_supports("avx512vnni"))
    peaks.push_back({"int8 VPDPBUSD (AVX-512)", PeakKind::kInt8, 64 * kLanes, DotInt8Avx512});
  else if (__builtin_cpu_supports("avx2"))
    peaks.push_back({"int8 VPMADDWD (AVX2)", PeakKind::kInt8, 16 * kLanes / 2, DotInt8Avx2});
  if (amx.int8)
    peaks.push_back({"int8 TDPBUSD (AMX)", PeakKind::kInt8, 6 * 2.0 * 64 * kTileSums, DotInt8Amx});
  return peaks;
}

std::vector<ReadLoop> NativeReadLoops() {
  if (__builtin_cpu_supports("avx512f"))
    return {ReadAvx512<1, 1024>, ReadAvx512<4, 512>, ReadAvx512<8, 1024>, ReadAvx512<16, 0>};
  if (__builtin_cpu_supports("avx2"))
    return {ReadAvx2<1, 0>, ReadAvx2<1, 1024>, ReadAvx2<4, 512>, ReadAvx2<8, 1024>};
  return {};
}

}  // namespace lockstep::cpu

#else

namespace lockstep::cpu {

std::vector<Peak> NativePeaks() { return {}; }
std::vector<ReadLoop> NativeReadLoops() { return {}; }

}  // namespace lockstep::cpu

#endif
