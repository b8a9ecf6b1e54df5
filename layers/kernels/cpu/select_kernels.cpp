#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "layers/kernels/cpu/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>  // other processors' compilers do not have it
#endif

namespace lockstep::cpu {
namespace {

struct Level {
  std::string_view name;
  bool (*available)();
  void (*apply)(Kernels& kernels);
};

bool Always() { return true; }

#if defined(__x86_64__)
// Leaf 7: what __builtin_cpu_supports does not know by name everywhere.
bool HasAmx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  constexpr unsigned kAll = kBf16 | kTile | kInt8;
  return (edx & kAll) == kAll;
}
bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
bool HasAvx512Bf16() { return HasAvx512() && __builtin_cpu_supports("avx512bf16"); }
// Asked once, before any thread that would need the permission exists.
bool CanUseAmx() {
  static const bool can = HasAvx512Bf16() && HasAmx() && amx::Enable();
  return can;
}

constexpr std::array kLevels{
    Level{"portable", Always, [](Kernels& kernels) { kernels = portable::kKernels; }},
    Level{"avx2", HasAvx2, [](Kernels& kernels) { kernels = avx2::kKernels; }},
    Level{"avx512", HasAvx512, [](Kernels& kernels) { kernels = avx512::kKernels; }},
    Level{"avx512_bf16", HasAvx512Bf16,
          [](Kernels& kernels) {
            kernels.pack_bf16 = avx512_bf16::PackBf16;
            kernels.product_bf16 = avx512_bf16::ProductBf16;
            kernels.multiplies_bf16 = true;
          }},
    Level{"amx", CanUseAmx,
          [](Kernels& kernels) {
            kernels.product_bf16 = amx::ProductBf16;
            kernels.product_int8 = amx::ProductInt8;
            kernels.product_int4 = amx::ProductInt4;
          }},
};
#else
constexpr std::array kLevels{
    Level{"portable", Always, [](Kernels& kernels) { kernels = portable::kKernels; }}};
#endif

[[noreturn]] void ThrowUnknown(std::string_view wish) {
  std::string names;
  for (const Level& level : kLevels)
    if (level.available()) names += (names.empty() ? "" : ", ") + std::string(level.name);
  throw BadInput("LOCKSTEP_ISA is \"{}\"; this processor has {}", wish, names);
}

// Each level builds on the one before it.
Kernels Select() {
  const char* variable = std::getenv("LOCKSTEP_ISA");
  const std::string_view wish = variable != nullptr ? variable : "";
  Kernels kernels{};
  for (const Level& level : kLevels) {
    if (!level.available()) break;
    level.apply(kernels);
    kernels.name = level.name.data();
    if (level.name == wish) return kernels;
  }
  if (!wish.empty()) ThrowUnknown(wish);
  return kernels;
}

}  // namespace

const Kernels& SelectKernels() {
  static const Kernels kernels = Select();
  return kernels;
}

}  // namespace lockstep::cpu
