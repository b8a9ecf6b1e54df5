#include "evaluation/numbers/python_random.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"

namespace lockstep {

// Of the generator init_by_array(), with the seed as the only word of the array.
PythonRandom::PythonRandom(std::uint32_t seed) {
  SeedByWord(19650218);
  const auto mix = [&](std::size_t i, std::uint32_t factor) {
    return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
  };
  std::size_t i = 1;
  const auto advance = [&] {
    if (++i < kWords) return;
    state_[0] = state_[kWords - 1];
    i = 1;
  };
  for (std::size_t round = 0; round < kWords; ++round, advance())
    state_[i] = mix(i, 1664525) + seed;
  for (std::size_t round = 1; round < kWords; ++round, advance())
    state_[i] = mix(i, 1566083941) - static_cast<std::uint32_t>(i);
  state_[0] = 0x80000000;
}

void PythonRandom::SeedByWord(std::uint32_t seed) {
  state_[0] = seed;
  for (std::size_t i = 1; i < kWords; ++i)
    state_[i] =
        1812433253 * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);
}

void PythonRandom::Refill() {
  constexpr std::size_t kAhead = 397;
  const auto twist = [&](std::size_t i, std::size_t following, std::size_t ahead) {
    const std::uint32_t y = (state_[i] & 0x80000000) | (state_[following] & 0x7fffffff);
    state_[i] = state_[ahead] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0df : 0);
  };
  std::size_t i = 0;
  for (; i < kWords - kAhead; ++i) twist(i, i + 1, i + kAhead);
  for (; i < kWords - 1; ++i) twist(i, i + 1, i + kAhead - kWords);
  twist(kWords - 1, 0, kAhead - 1);
  next_ = 0;
}

std::uint32_t PythonRandom::Next() {
  if (next_ == kWords) Refill();
  std::uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >> 18);
}

double PythonRandom::NextDouble() {
  const double high = Next() >> 5;
  const double low = Next() >> 6;
  return (high * 67108864.0 + low) * (1.0 / 9007199254740992.0);
}

std::size_t PythonRandom::Below(std::size_t count) {
  const auto bits = static_cast<int>(std::bit_width(count));
  for (;;)
    if (const std::size_t drawn = Next() >> (32 - bits); drawn < count) return drawn;
}

// Few numbers of many are drawn until they differ; else from a list that gets shorter.
std::vector<std::size_t> PythonRandom::Sample(std::size_t count, std::size_t wanted) {
  LOCKSTEP_CHECK(wanted <= count && count <= UINT32_MAX, "{} of {}", wanted, count);
  double set_size = 21;
  if (wanted > 5)
    set_size += std::pow(4, std::ceil(std::log(static_cast<double>(wanted) * 3) / std::log(4.0)));
  if (static_cast<double>(count) <= set_size) return SampleOfPool(count, wanted);
  std::set<std::size_t> selected;
  std::vector<std::size_t> drawn;
  while (drawn.size() < wanted)
    if (const std::size_t one = Below(count); selected.insert(one).second) drawn.push_back(one);
  return drawn;
}

std::vector<std::size_t> PythonRandom::SampleOfPool(std::size_t count, std::size_t wanted) {
  std::vector<std::size_t> pool(count), drawn;
  std::iota(pool.begin(), pool.end(), std::size_t{0});
  for (std::size_t i = 0; i < wanted; ++i) {
    const std::size_t at = Below(count - i);
    drawn.push_back(pool[at]);
    pool[at] = pool[count - i - 1];
  }
  return drawn;
}

}  // namespace lockstep
