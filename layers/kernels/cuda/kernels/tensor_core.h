#pragma once

// Three of the processor's instructions that CUDA C++ has no words for, for compute capability 8.0
// and later. All but CopyAsync() are of a whole warp. Lane 4 g + t of a warp holds, of the matrices
// of one multiplication (PTX ISA, "Matrix fragments for mma.m16n8k16"):
//
//   a [16, 16]   a[0] row g,     columns 2t, 2t + 1     a[2] row g,     columns 2t + 8, 2t + 9
//                a[1] row g + 8, columns 2t, 2t + 1     a[3] row g + 8, columns 2t + 8, 2t + 9
//   b [16, 8]    b[0] column g, rows 2t, 2t + 1         b[1] column g, rows 2t + 8, 2t + 9
//   d [16, 8]    d[0], d[1] row g, columns 2t, 2t + 1   d[2], d[3] row g + 8
//
// Two elements of T share a word, the first in its lower half. Of fp8 four do, the first in its
// lowest byte, and a has 32 columns (m16n8k32): 4t to 4t + 3, and 4t + 16 to 4t + 19; from compute
// capability 8.9 on.

#include <type_traits>

#include "layers/kernels/cuda/kernels/device.h"

namespace lockstep::cuda {

// Whether this compiler has the multiplication of fp8, which came with CUDA 12.4.
#if defined(LOCKSTEP_CUDA_EMULATION) || CUDART_VERSION >= 12040
inline constexpr bool kCompilesFp8 = true;
#else
inline constexpr bool kCompilesFp8 = false;
#endif

#if defined(LOCKSTEP_CUDA_EMULATION)

using cuda_emulation::AwaitCopies;
using cuda_emulation::CommitCopies;
using cuda_emulation::CopyAsync;
using cuda_emulation::LoadMatrices;
using cuda_emulation::LoadMatricesTransposed;
using cuda_emulation::MultiplyAdd;

#else

// d += a b, sums in fp32.
template <typename T>
__device__ __forceinline__ void MultiplyAdd(const unsigned (&a)[4], const unsigned (&b)[2],
                                            float (&d)[4]) {
  if constexpr (std::is_same_v<T, BF16>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else if constexpr (std::is_same_v<T, Fp8>) {
#if CUDART_VERSION >= 12040 && defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    asm("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();  // nobody calls it: MultipliesFp8()
#endif
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}

// Four matrices [8, 8] of two-byte elements out of shared memory. Lanes 8 i to 8 i + 7 name the
// rows (16 bytes each, on 16 bytes) of matrix i; a lane gets row g, columns 2t and 2t + 1 of each.
__device__ __forceinline__ void LoadMatrices(const void* row, unsigned (&to)[4]) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}

// The same of the matrices' transposes: rows 2t and 2t + 1 of column g.
__device__ __forceinline__ void LoadMatricesTransposed(const void* row, unsigned (&to)[4]) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}

// Copies 16 bytes to shared memory, on 16 bytes both, past the registers: the first `bytes` (0 or
// 16) of `from`, the rest zeros. Done only after AwaitCopies().
__device__ __forceinline__ void CopyAsync(void* to, const void* from, int bytes) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes)
               : "memory");
}

// Puts the thread's copies since the last call into a group.
__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits for the thread's groups but the last kPending.
template <int kPending>
__device__ __forceinline__ void AwaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

#endif

}  // namespace lockstep::cuda
