"""Weights made from nothing but a seed and a tensor's name, so that none need be committed.

tests/support/seeded_weights.cpp makes the same bits. Element i (row-major) of a tensor:

    state = fnv1a64(name) ^ (seed * 0x9E3779B97F4A7C15)                       modulo 2^64
    bits  = splitmix64_mix(state + (i + 1) * 0x9E3779B97F4A7C15) >> 40        24 bits
    unit  = (bits - 2^23) / 2^23                                              in [-1, 1), exact
    value = float32(offset + unit * scale)          in float64, scale and offset are float32 values

and that float32 is rounded once more, to nearest even, when the file's dtype is fp16 or bf16.
unit * scale has at most 48 significant bits, so float64 holds it exactly and a fused multiply-add
gives the same answer.
"""

import numpy as np

GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)


def fnv1a64(name):
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def splitmix64_mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def values(seed, name, count, scale, offset):
    """The first `count` elements as float32, before they are rounded to the file's dtype."""
    state = fnv1a64(name) ^ (seed * int(GOLDEN_RATIO) % 2**64)
    counter = np.arange(1, count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = splitmix64_mix(np.uint64(state) + counter * GOLDEN_RATIO) >> np.uint64(40)
    unit = (bits.astype(np.float64) - 2.0**23) / 2.0**23
    return (np.float64(np.float32(offset)) + unit * np.float64(np.float32(scale))).astype(np.float32)
