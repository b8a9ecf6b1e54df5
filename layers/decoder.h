#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "comm/overlap/sums_beside.h"
#include "comm/reducer.h"
#include "core/timing/phases.h"
#include "layers/kernels/backend.h"
#include "layers/kv_cache.h"
#include "layers/rotary_table.h"
#include "layers/rows/answer_rows.h"
#include "layers/stage_transfer.h"
#include "layers/step_parts.h"
#include "layers/weights.h"
#include "partition/plan/shard_plan.h"

namespace lockstep {

// The new tokens of one step, all sequences behind each other.
struct Batch {
  std::vector<std::int32_t> ids;  // [tokens]
  std::vector<SequenceRows> sequences;
  std::vector<std::int64_t> logit_rows;    // the rows whose logits are wanted
  std::vector<PageCopy> page_copies = {};  // made before the step, in this order
  // Whose output Decoder::hidden() is to hold: -1 nobody's, 0 the embedding's, else that of so many
  // blocks; of all blocks with the final norm.
  std::int64_t hidden_layer = -1;
};

struct Workspace;

struct DecoderOptions {
  std::int64_t cache_pages = 0;  // 0: none until AllocateCache()
  DType cache_dtype = DType::kF32;
  int stage = 0;  // of the plan's pipeline
  // Where the ranks' sums take long, as over a network, those of one half of a long step's rows
  // travel while the other half is computed: by a thread of its own, or on a queue of the device
  // beside its stream. The bits are the same, but for a device that computes other bits in other
  // batches. All ranks of the stage alike.
  enum class Sums : std::uint8_t { kAwaited, kBesideProducts };
  Sums sums = Sums::kAwaited;
  // Of the steps that go by halves. Fewer rows lose more than they gain: weights are read for each
  // half, and a sum has less to travel beside.
  std::int64_t rows_beside_sums = 256;
};

// The model on one rank: embedding, blocks, final norm, this rank's slice of the LM head. Of a
// pipeline one stage of it: the embedding is the first one's, the norm and the head the last one's.
class Decoder {
 public:
  // The backend's parts and the reducer stay the caller's and outlive the decoder. `plan` and the
  // reducer must agree on the number of ranks of a stage.
  Decoder(const ShardPlan& plan, ModelWeights weights, const Backend& backend, Reducer& reducer,
          const DecoderOptions& options);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  const ModelSpec& spec() const { return spec_; }
  const KvCache& cache() const { return cache_; }
  int stage() const { return stage_; }
  int stage_count() const { return stage_count_; }
  bool is_first_stage() const { return blocks_.begin == 0; }
  bool is_last_stage() const { return blocks_.end == spec_.layer_count; }

  // Runs the new tokens through the stage and appends them to the cache. Every rank of the stage
  // calls it with the same batch, and behind the first stage with the output of the stage before
  // ([tokens, d_model] fp32, as bytes). Returns this rank's slice of the logits, [logit_rows, its
  // rows of the vocabulary] fp32, in memory of the device, valid until the next call: of the last
  // stage; of others none. Without an LM head none can be asked for.
  TensorView Forward(const Batch& batch, std::span<const std::byte> input = {});
  // What the last Forward() leaves for the next stage, the same on every rank of this one:
  // [tokens, d_model] fp32. Of all its values these, on the host, as bytes. Waits for the device.
  // Valid until the next call of either.
  std::span<const std::byte> Output(const Range& values);

  // This rank's answer, for MergeAnswers(), to questions about the logits of the last Forward().
  // Ids from vocab_limit on are in no search. Waits for the device.
  std::vector<std::byte> Answer(std::span<const RowQuestion> questions, FirstQuestions first,
                                std::int64_t vocab_limit);

  // Takes the memory that steps within these limits need: none of them allocates on the device or
  // frees there, which would wait for a sum that may never end. Throws EnvironmentError.
  void Reserve(const StepLimits& limits);
  // Makes the connections that reducers make when they first add. Collective.
  void Connect();
  // The cache, in place of the one before it.
  void AllocateCache(std::int64_t pages);

  // Goes on with other weights of the same plan and format. What the cache holds is of those
  // before.
  void ExchangeWeights(ModelWeights weights);

  // Whether the thread that calls Forward() leads the computing, so that its phases
  // (core/timing/phases.h) tell products from attention and sums. A device's are all kOther.
  bool has_phases() const { return IsOnHost(); }

  // In all-reduces so far, waiting for the peers included; 0 where a device makes them by itself.
  std::chrono::nanoseconds all_reduce_time() const { return all_reduce_time_; }

  // What Forward() was asked to keep of its last batch, on rank 0 of the stage that has it:
  // [tokens, d_model] fp32 in host memory, valid until the next call.
  TensorView hidden() const { return hidden_.view().Rows(0, hidden_rows_); }
  bool has_hidden() const { return hidden_rows_ > 0; }

 private:
  struct Summand;  // of which block and rows a sum is

  void TakeInput(const Batch& batch, std::span<const std::byte> input, Workspace& work);
  void RunOnce(const Batch& batch, Workspace& work);
  void EmbedTokens(const Batch& batch, Workspace& work);
  void BeginBlocks(Workspace& work);
  bool GoesByHalves(const Batch& batch) const;
  void RunBlocks(const Batch& batch, Workspace& work);
  void RunBlocksByHalves(Workspace& work);
  int SumsOfBlock() const { return spec_.parallel_residual ? 1 : 2; }
  void ComputeSummand(const Summand& what, Workspace& work);
  ResidualArgs ResidualOf(const Summand& what, Workspace& work) const;
  void RunAttention(std::size_t index, const StepPart& part, Workspace& work);
  float ScoreFactor(std::size_t index) const;
  void RunMlp(const LayerWeights& layer, const TensorView& normed, const StepPart& part,
              Workspace& work);
  void KeepHidden(const TensorView& x);
  bool IsOnHost() const;
  ScopedPhase In(Phase phase) const;
  void Multiply(const LinearArgs& args);
  void Reduce(const TensorView& partial);
  void AwaitSum();
  void TimeSum(const std::function<void()>& sum);
  NormOf Norm(const NormWeights& norm, const TensorView& y) const;
  void SetBlockNorms(std::size_t index, const StepPart& part, Workspace& work,
                     ResidualArgs& args) const;
  void Normalize(const NormWeights& norm, const TensorView& x, const TensorView& y);
  void ComputeLogits(const Batch& batch, Workspace& work);

  ModelSpec spec_;
  int stage_;
  int stage_count_;
  Range blocks_;  // of the stage; the cache and the weights have them from 0 on
  Range vocab_rows_;
  Range position_rows_;
  std::vector<Range> vocab_leaves_;
  std::int64_t local_heads_;
  std::int64_t local_ffn_;
  DType cache_dtype_;
  ModelWeights weights_;
  Device& device_;
  Ops& ops_;
  StepRunner& steps_;
  Reducer& reducer_;
  StageTransfer transfer_;
  KvCache cache_;
  RotaryTable rotary_;
  std::unique_ptr<Workspace> workspace_;     // the activations of one step
  std::unique_ptr<SumsBeside> sums_beside_;  // null: sums are awaited
  std::int64_t rows_beside_sums_;
  std::optional<StepHalves> halves_;  // of a step that goes by halves
  std::chrono::nanoseconds all_reduce_time_{};
  TensorView logits_;  // of the last Forward()
  Tensor hidden_;
  std::int64_t hidden_rows_ = 0;
};

}  // namespace lockstep
