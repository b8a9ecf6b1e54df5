#pragma once

namespace lockstep {

// At least the noise of a token (layers/kernels/noise.h), from its first 32 bits: so cheap that all
// tokens can be asked, and RaceScore() only of those that may win. A float's bits read as an
// integer are never above its logarithm, so that
//   -log(-log(1 - v)) <= -log(v) <= kNoiseOffset - kNoiseScale * bits of v rounded down to 24 bits.
inline constexpr float kNoiseScale = 8.2629582e-8f;  // ln 2 / 2^23
inline constexpr float kNoiseOffset = 88.0298f;      // 127 ln 2, and what rounding may take

}  // namespace lockstep
