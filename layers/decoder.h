#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "layers/kernels/backend.h"
#include "layers/kv_cache.h"
#include "layers/weights.h"
#include "partition/shard_plan.h"

namespace lockstep {

// The new tokens of one step, all sequences behind each other.
struct Batch {
  std::vector<std::int32_t> ids;  // [tokens]
  std::vector<SequenceRows> sequences;
  std::vector<std::int64_t> logit_rows;  // the rows whose logits are wanted, ascending
};

// The model on one rank: embedding, blocks, final norm, this rank's slice of the LM head.
class Decoder {
 public:
  // The backend and the communicator stay the caller's and outlive the decoder.
  Decoder(const ShardPlan& plan, ModelWeights weights, Backend& backend,
          Communicator& communicator);

  const ModelSpec& spec() const { return spec_; }
  Range vocab_rows() const { return vocab_rows_; }
  Backend& backend() { return backend_; }

  // The cache's pages for this many tokens in all, allocated once before the first Forward().
  void AllocateCache(std::int64_t page_count);
  const KvCache& cache() const { return cache_; }

  // Runs the new tokens through the model and appends them to the cache. Every rank calls it
  // with the same batch. Returns this rank's slice of the logits, [logit_rows, vocab_rows().size()]
  // fp32, in memory of the backend, valid until the next call.
  TensorView Forward(const Batch& batch);

 private:
  void RunBlock(std::size_t layer, const Batch& batch, const TensorView& x);

  ModelSpec spec_;
  Range vocab_rows_;
  std::int64_t local_heads_;
  std::int64_t local_ffn_;
  ModelWeights weights_;
  Backend& backend_;
  Communicator& communicator_;
  KvCache cache_;
  Tensor rotary_cos_;
  Tensor rotary_sin_;
  // Activations, grown when a larger batch comes.
  class Workspace;
  std::shared_ptr<Workspace> workspace_;
};

}  // namespace lockstep
