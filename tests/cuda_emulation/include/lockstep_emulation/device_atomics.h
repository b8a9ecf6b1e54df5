#pragma once
// Atomic functions of device code, relaxed as on the device. Included by <cuda_runtime.h>.

#include <atomic>

namespace lockstep::cuda_emulation {
template <class T, class Update>
T AtomicUpdate(T* address, Update update) {
  std::atomic_ref<T> cell(*address);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, update(old), std::memory_order_relaxed)) {
  }
  return old;
}
}  // namespace lockstep::cuda_emulation

#define LOCKSTEP_EMULATED_ATOMIC(name, T, expression)                          \
  inline T name(T* address, T value) {                                         \
    return ::lockstep::cuda_emulation::AtomicUpdate(                           \
        address, [value]([[maybe_unused]] T old) -> T { return expression; }); \
  }                                                                            \
  inline T name##_system(T* address, T value) { return name(address, value); } \
  inline T name##_block(T* address, T value) { return name(address, value); }

LOCKSTEP_EMULATED_ATOMIC(atomicAdd, int, old + value)
LOCKSTEP_EMULATED_ATOMIC(atomicAdd, unsigned, old + value)
LOCKSTEP_EMULATED_ATOMIC(atomicAdd, unsigned long long, old + value)
LOCKSTEP_EMULATED_ATOMIC(atomicAdd, float, old + value)
LOCKSTEP_EMULATED_ATOMIC(atomicAdd, double, old + value)
LOCKSTEP_EMULATED_ATOMIC(atomicSub, int, old - value)
LOCKSTEP_EMULATED_ATOMIC(atomicSub, unsigned, old - value)
LOCKSTEP_EMULATED_ATOMIC(atomicMax, int, old > value ? old : value)
LOCKSTEP_EMULATED_ATOMIC(atomicMax, unsigned, old > value ? old : value)
LOCKSTEP_EMULATED_ATOMIC(atomicMax, unsigned long long, old > value ? old : value)
LOCKSTEP_EMULATED_ATOMIC(atomicMin, int, old < value ? old : value)
LOCKSTEP_EMULATED_ATOMIC(atomicMin, unsigned, old < value ? old : value)
LOCKSTEP_EMULATED_ATOMIC(atomicMin, unsigned long long, old < value ? old : value)
LOCKSTEP_EMULATED_ATOMIC(atomicExch, int, value)
LOCKSTEP_EMULATED_ATOMIC(atomicExch, unsigned, value)
LOCKSTEP_EMULATED_ATOMIC(atomicExch, unsigned long long, value)
LOCKSTEP_EMULATED_ATOMIC(atomicExch, float, value)
LOCKSTEP_EMULATED_ATOMIC(atomicAnd, unsigned, old& value)
LOCKSTEP_EMULATED_ATOMIC(atomicOr, unsigned, old | value)
LOCKSTEP_EMULATED_ATOMIC(atomicXor, unsigned, old ^ value)
LOCKSTEP_EMULATED_ATOMIC(atomicInc, unsigned, old >= value ? 0u : old + 1u)
LOCKSTEP_EMULATED_ATOMIC(atomicDec, unsigned, old == 0u || old > value ? value : old - 1u)
#undef LOCKSTEP_EMULATED_ATOMIC

#define LOCKSTEP_EMULATED_CAS(T)                                                     \
  inline T atomicCAS(T* address, T expected, T desired) {                            \
    std::atomic_ref<T>(*address).compare_exchange_strong(expected, desired,          \
                                                         std::memory_order_relaxed); \
    return expected;                                                                 \
  }                                                                                  \
  inline T atomicCAS_system(T* address, T expected, T desired) {                     \
    return atomicCAS(address, expected, desired);                                    \
  }
LOCKSTEP_EMULATED_CAS(int)
LOCKSTEP_EMULATED_CAS(unsigned)
LOCKSTEP_EMULATED_CAS(unsigned long long)
#undef LOCKSTEP_EMULATED_CAS
