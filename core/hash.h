#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace lockstep {

// Tells apart what differs by accident. seed: to go on from other bytes, or for a second opinion.
inline std::uint64_t HashBytes(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
  std::uint64_t hash = seed ^ 0xCBF29CE484222325u;
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  };
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    mix(word);
  }
  for (const std::byte byte : bytes) mix(std::to_integer<std::uint64_t>(byte) + 256);
  return hash;
}

}  // namespace lockstep
