#pragma once

#include "core/threads/thread_pool.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/ops.h"

namespace lockstep::cpu {

// Rotates q and k, appends k and v to the cache, attends. See AttentionArgs.
void RunAttention(const AttentionArgs& args, const Kernels& kernels, ThreadPool& pool);

}  // namespace lockstep::cpu
