#include "runtime/options/commands/bench_options.h"

namespace lockstep {

std::string_view Name(BenchKind kind) {
  switch (kind) {
    case BenchKind::kDecode: return "decode";
    case BenchKind::kPrefill: return "prefill";
    case BenchKind::kBatch: return "batch";
    case BenchKind::kComm: return "comm";
  }
  return "?";
}

BenchOptions DefaultBench(BenchKind kind) {
  if (kind == BenchKind::kComm)
    return {.kind = kind,
            .batch_sizes = {},
            .prompt_tokens = {},
            .message_bytes = {4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20,
                              8 << 20},
            .rounds = 11};
  BenchOptions bench{.kind = kind,
                     .batch_sizes = {1},
                     .prompt_tokens = {16},
                     .new_tokens = 32,
                     .message_bytes = {},
                     .rounds = 5};
  if (kind == BenchKind::kPrefill) {
    bench.prompt_tokens = {};  // by the model's context
    bench.new_tokens = 0;
  } else if (kind == BenchKind::kBatch) {
    bench.batch_sizes = {1, 8, 32};
    bench.new_tokens = 16;
  }
  return bench;
}

}  // namespace lockstep
