#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "layers/kernels/cpu/kernels.h"

namespace lockstep::cpu {
namespace {

#if defined(__x86_64__)
bool HasAvx2() { return __builtin_cpu_supports("avx2"); }
bool HasAvx512() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"); }
const Kernels& Avx2() { return avx2::kKernels; }
const Kernels& Avx512() { return avx512::kKernels; }
#else
bool HasAvx2() { return false; }
bool HasAvx512() { return false; }
const Kernels& Avx2() { return portable::kKernels; }
const Kernels& Avx512() { return portable::kKernels; }
#endif

const Kernels& Select() {
  const char* variable = std::getenv("LOCKSTEP_ISA");
  const std::string_view wish = variable != nullptr ? variable : "";
  if (wish == "portable") return portable::kKernels;
  if (wish == "avx2" && HasAvx2()) return Avx2();
  if (wish == "avx512" && HasAvx512()) return Avx512();
  if (!wish.empty())
    throw BadInput(
        "LOCKSTEP_ISA is \"{}\"; expected portable, avx2 or avx512, as far as this processor has "
        "it",
        wish);
  if (HasAvx512()) return Avx512();
  return HasAvx2() ? Avx2() : portable::kKernels;
}

}  // namespace

const Kernels& SelectKernels() {
  static const Kernels& kernels = Select();
  return kernels;
}

}  // namespace lockstep::cpu
