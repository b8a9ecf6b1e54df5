#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

// Python's random.Random with an integer seed: the same numbers in the same order.
class PythonRandom {
 public:
  explicit PythonRandom(std::uint32_t seed);

  // getrandbits(32).
  std::uint32_t Next();
  // random(): from 0 to below 1.
  double NextDouble();
  // Of range(count), one that choices() would draw.
  std::size_t Choice(std::size_t count) {
    return static_cast<std::size_t>(NextDouble() * static_cast<double>(count));
  }
  // sample(range(count), wanted): different numbers. wanted is at most count, which is below 2^32.
  std::vector<std::size_t> Sample(std::size_t count, std::size_t wanted);

 private:
  static constexpr std::size_t kWords = 624;

  void SeedByWord(std::uint32_t seed);
  void Refill();
  std::size_t Below(std::size_t count);
  std::vector<std::size_t> SampleOfPool(std::size_t count, std::size_t wanted);

  std::array<std::uint32_t, kWords> state_{};  // of the Mersenne Twister MT19937
  std::size_t next_ = kWords;
};

}  // namespace lockstep
