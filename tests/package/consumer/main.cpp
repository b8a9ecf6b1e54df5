#include <cstdio>

#include "core/version.h"
#include "engine/engine.h"
#include "partition/plan/shard_plan.h"

// What a project that links the installed libraries sees of them.
int main() {
  lockstep::ModelSpec spec;
  spec.layer_count = 2;
  spec.head_count = 4;
  spec.d_model = 64;
  spec.d_ff = 256;
  spec.vocab_rows = 100;
  spec.context_tokens = 32;
  spec.rotary_dims = 4;
  const lockstep::ShardPlan plan(spec, 2);
  std::printf("lockstep %s: %d heads\n", std::string(lockstep::Version()).c_str(),
              static_cast<int>(plan.Slices(1).local_heads()));
  return lockstep::EngineOptions{}.max_sequences > 0 ? 0 : 1;
}
