#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

const char* Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

template <class Number>
void ReadNumber(const char* name, Number least, Number& out) {
  const char* text = Environment(name);
  if (text == nullptr) return;
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (*end != '\0' || value < static_cast<double>(least)) {
    throw std::runtime_error(std::string(name) + "=" + text + ": expected a number of at least " +
                             std::to_string(least));
  }
  out = static_cast<Number>(value);
}

template <class Choice, std::size_t kCount>
void ReadChoice(const char* name, const std::pair<const char*, Choice> (&choices)[kCount],
                Choice& out) {
  const char* text = Environment(name);
  if (text == nullptr) return;
  std::string known;
  for (const auto& [word, choice] : choices) {
    if (word == std::string(text)) {
      out = choice;
      return;
    }
    known += std::string(known.empty() ? "" : ", ") + word;
  }
  throw std::runtime_error(std::string(name) + "=" + text + ": expected one of " + known);
}

std::uint64_t g_random = 1;

Settings FromEnvironment() {
  Settings s;
  ReadChoice<ThreadOrder>("LOCKSTEP_CUDA_THREADS",
                          {{"forward", ThreadOrder::kForward},
                           {"reverse", ThreadOrder::kReverse},
                           {"shuffled", ThreadOrder::kShuffled}},
                          s.thread_order);
  ReadChoice<StreamPolicy>("LOCKSTEP_CUDA_STREAMS",
                           {{"eager", StreamPolicy::kEager},
                            {"lazy", StreamPolicy::kLazy},
                            {"random", StreamPolicy::kRandom}},
                           s.stream_policy);
  ReadChoice<bool>("LOCKSTEP_CUDA_LINKS", {{"nvlink", true}, {"pcie", false}}, s.nvlink);
  ReadChoice<PeerMemoryKind>("LOCKSTEP_CUDA_PEER_MEMORY",
                             {{"whole", PeerMemoryKind::kWhole},
                              {"lost", PeerMemoryKind::kLost},
                              {"stale", PeerMemoryKind::kStale}},
                             s.peer_memory);
  ReadNumber("LOCKSTEP_CUDA_DEVICES", 0, s.device_count);
  ReadNumber("LOCKSTEP_CUDA_CAPABILITY", 10, s.compute_capability);
  std::uint64_t megabytes = s.memory_bytes >> 20;
  ReadNumber("LOCKSTEP_CUDA_MEMORY_MB", std::uint64_t{1}, megabytes);
  s.memory_bytes = megabytes << 20;
  ReadNumber("LOCKSTEP_CUDA_SLOTS", std::uint64_t{0}, s.slots);
  ReadNumber("LOCKSTEP_CUDA_SPIN_SECONDS", 0.0, s.spin_seconds);
  ReadNumber("LOCKSTEP_CUDA_IDLE_MS", 1, s.idle_ms);
  ReadNumber("LOCKSTEP_NCCL_HANG", std::uint64_t{0}, s.nccl_hang);
  ReadNumber("LOCKSTEP_NCCL_BLOCK", std::uint64_t{0}, s.nccl_block);
  int abort_at_fault = 0;
  ReadNumber("LOCKSTEP_CUDA_ABORT", 0, abort_at_fault);
  s.abort_at_fault = abort_at_fault != 0;
  std::uint64_t seed = 1;
  ReadNumber("LOCKSTEP_CUDA_SEED", std::uint64_t{0}, seed);
  Reseed(seed);
  return s;
}

}  // namespace

Settings& settings() {
  static Settings instance = FromEnvironment();
  return instance;
}

Statistics& statistics() {
  static Statistics instance;
  return instance;
}

void Reseed(std::uint64_t seed) { g_random = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du; }

unsigned RandomBelow(unsigned limit) {
  g_random ^= g_random << 13;  // xorshift64: quick, and good enough to shuffle
  g_random ^= g_random >> 7;
  g_random ^= g_random << 17;
  return static_cast<unsigned>((g_random >> 32) * limit >> 32);
}

}  // namespace lockstep::cuda_emulation
