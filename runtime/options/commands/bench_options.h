#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace lockstep {

enum class BenchKind : std::uint8_t { kDecode, kPrefill, kBatch, kComm };

// "decode", "prefill", "batch", "comm".
std::string_view Name(BenchKind kind);

// What `lockstep bench` measures. A case is one pair of the first two lists.
struct BenchOptions {
  BenchKind kind = BenchKind::kDecode;
  std::vector<std::int64_t> batch_sizes;    // sequences that are in flight together
  std::vector<std::int64_t> prompt_tokens;  // of each sequence; none: by the context
  std::int64_t new_tokens = 0;              // timed per sequence and round; none for prefill
  std::vector<std::int64_t> message_bytes;  // comm: of each all-reduce; a case each
  std::int64_t rounds = 0;                  // that count; one more warms up
};

// What is measured where the user says nothing else.
BenchOptions DefaultBench(BenchKind kind);

}  // namespace lockstep
