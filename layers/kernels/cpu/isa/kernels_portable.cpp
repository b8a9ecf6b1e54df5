#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "portable"

namespace lockstep::cpu::portable {
#include "layers/kernels/cpu/isa/elementwise.inc"

namespace {

std::uint32_t Word(const std::byte* bytes) {
  std::uint32_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return word;
}

LaneBits Words(const std::byte* bytes) {
  return (LaneBits)Load(reinterpret_cast<const float*>(bytes));
}

struct OpF32 {
  using Acc = Lanes;
  using Line = Lanes;
  using Value = float;
  static Acc Zero() { return Lanes{}; }
  static Acc Load(const float* c) { return portable::Load(c); }
  static void Save(Acc acc, float* c) { portable::Save(acc, c); }
  static Line Weights(const std::byte* line) { return (Lanes)Words(line); }
  static Value Broadcast(const std::byte* x) { return __builtin_bit_cast(float, Word(x)); }
  static void Madd(Acc& sum, Line w, Value x) { sum += w * x; }
};

struct OpBf16 : OpF32 {
  struct Line {
    Lanes even, odd;
  };
  struct Value {
    float even, odd;
  };
  static Line Weights(const std::byte* line) {
    const LaneBits bits = Words(line);
    return {(Lanes)(bits << 16), (Lanes)(bits & 0xffff0000u)};
  }
  static Value Broadcast(const std::byte* x) {
    const std::uint32_t bits = Word(x);
    return {__builtin_bit_cast(float, bits << 16), __builtin_bit_cast(float, bits & 0xffff0000u)};
  }
  static void Madd(Acc& sum, const Line& w, Value x) {
    sum += w.even * x.even;
    sum += w.odd * x.odd;
  }
};

// Products of bytes fit 16 bits, their sums 32.
struct OpInt8 {
  static constexpr std::int32_t kInt8Offset = 128;
  using Acc = LaneInts;
  using Line = LaneInts;  // four unsigned bytes each
  using HalfLine = Line;
  using Value = std::uint32_t;
  static Acc Zero() { return LaneInts{}; }
  static Line Weights(const std::byte* line) { return (LaneInts)Words(line); }
  static Line Half(const std::byte* line, int half) {
    return (LaneInts)((Words(line) >> (4 * half)) & 0x0f0f0f0fu);
  }
  static Value Broadcast(const std::byte* x) { return Word(x); }
  static void Madd(Acc& sum, Line w, Value x) {
    for (int byte = 0; byte < 4; ++byte) {
      const auto value = static_cast<std::int8_t>(x >> (8 * byte));
      sum += (LaneInts)(((LaneBits)w >> (8 * byte)) & 0xffu) * static_cast<std::int32_t>(value);
    }
  }
  static Lanes ToFloat(Acc sum, std::int32_t offset) { return ToFloats(sum - offset); }
};

constexpr int kStreams = 8;
#include "layers/kernels/cpu/isa/product.inc"

#include "layers/kernels/cpu/isa/integer_tiles.inc"

constexpr Product* kProducts[] = {&WalkRows<Floats<OpF32>, 4, 1>, &WalkRows<Floats<OpBf16>, 4, 1>,
                                  &WalkRows<Integers<OpInt8Tiles>, 4, 1>,
                                  &WalkRows<Integers<OpInt4>, 4, 1>};

}  // namespace

#include "layers/kernels/cpu/isa/table.inc"
}  // namespace lockstep::cpu::portable
