#pragma once

#include <cstdint>
#include <string_view>

namespace lockstep {

// FNV-1a over bytes that come in pieces: to notice changes, not to withstand an enemy.
class Fnv1a {
 public:
  void Add(std::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<unsigned char>(byte)) * kPrime;
  }
  std::uint64_t value() const { return value_; }

 private:
  static constexpr std::uint64_t kPrime = 0x100000001B3u;
  std::uint64_t value_ = 0xCBF29CE484222325u;
};

}  // namespace lockstep
