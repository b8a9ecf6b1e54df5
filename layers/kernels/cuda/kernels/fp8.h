#pragma once

// Numbers that are rounded to fp8 e4m3 with one scale, by whole warps.

#include "layers/kernels/cuda/kernels/device.h"

namespace lockstep::cuda {

struct Fp8Scale {
  float scale;   // an element times it is its number
  float factor;  // a number times it is its element
};

// Of a warp's numbers, given each lane's largest magnitude: the largest of all is made fp8's, so
// that nothing is cut off. Zeros have a scale as well, and no scale's inverse is infinite.
__device__ __forceinline__ Fp8Scale Fp8ScaleOfWarp(float largest) {
  constexpr float kLargest = 448.0f;
  largest = WarpMax(fmaxf(largest, 1e-30f));
  return {largest / kLargest, kLargest / largest};
}

// To nearest even. What is larger than fp8's range becomes its largest value.
__device__ __forceinline__ unsigned char ToFp8(float element) {
  return __nv_cvt_float_to_fp8(element, __NV_SATFINITE, __NV_E4M3);
}

}  // namespace lockstep::cuda
