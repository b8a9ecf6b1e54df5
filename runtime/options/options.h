#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/logging/log_choice.h"
#include "core/numbers/dtype.h"
#include "core/numbers/weight_format.h"
#include "engine/decoding/beam_search.h"
#include "engine/request.h"
#include "layers/kernels/backend_choice.h"
#include "partition/model/model_spec.h"
#include "runtime/options/device_choice.h"
#include "runtime/options/dtype_choice.h"
#include "runtime/placement/placement.h"

namespace lockstep {

// The numbers of an architecture as a configuration states them: only what it states is set.
// With them `plan` needs no checkpoint; where there is one, both must agree (model_shape.h).
struct ModelShape {
  std::optional<Family> family;
  std::optional<std::int64_t> layers;
  std::optional<std::int64_t> d_model;
  std::optional<std::int64_t> heads;
  std::optional<std::int64_t> kv_heads;
  std::optional<std::int64_t> d_head;
  std::optional<std::int64_t> d_ff;
  std::optional<std::int64_t> rotary_dims;
  std::optional<std::int64_t> vocab_rows;
  std::optional<std::int64_t> context;
  std::optional<double> rotary_base;
  std::optional<double> norm_epsilon;
  std::optional<GeluKind> gelu;
  std::optional<bool> parallel_residual;
  std::optional<bool> attention_bias;
  std::optional<bool> tied_embeddings;

  bool operator==(const ModelShape&) const = default;
};

struct ModelOptions {
  std::string path;       // a folder, or org/name[@revision] in the local Hugging Face cache
  std::string tokenizer;  // a folder or a tokenizer.json; empty: the model's folder
  // Whose sampling defaults: "auto" (the model's), "none", or a folder or file.
  std::string generation_config = "auto";
  DtypeChoice dtype;                 // ModelFiles::format is what it comes to
  std::optional<DType> cache_dtype;  // unset: TableDType() of the weights' format
  ModelShape shape;

  // Of keys and values beside weights of this format.
  DType kv_dtype(WeightFormat format) const { return cache_dtype.value_or(TableDType(format)); }
};

// Whether the sums of one half of a long step's rows travel while the other half is computed.
// kAuto: between hosts, where they take long enough and not too long; on GPUs as kOff, until it has
// been measured on some.
enum class OverlapSums : std::uint8_t { kAuto, kOn, kOff };

struct ParallelOptions {
  std::optional<std::int64_t> tp;  // ranks; unset: those of the world it is in, else one
  std::int64_t pp = 1;             // stages of a pipeline, of so many ranks each
  std::int64_t dp = 1;             // groups of so many ranks and stages that share the work
  DeviceChoice device = DeviceChoice::kCpu;
  StepGraphs cuda_graphs = StepGraphs::kAuto;
  BatchInvariance batch_invariant = BatchInvariance::kAuto;
  OverlapSums overlap_sums = OverlapSums::kAuto;
  std::int64_t threads = 0;       // per rank; 0: the machine's cores divided by its ranks
  Binding bind = Binding::kAuto;  // of threads to cores
};

struct CommOptions {
  double deadline_seconds = 60.0;       // of every collective
  double init_deadline_seconds = 60.0;  // of joining the world
  SharedMemory shared_memory = SharedMemory::kAuto;
};

// Whether what a rank needs is compared with the memory that is there, before weights are read.
enum class MemoryCheck { kAuto, kOff };

struct EngineLimits {
  std::int64_t max_sequences = 256;
  std::optional<std::int64_t> max_step_tokens;    // unset: see step_tokens()
  std::optional<std::int64_t> mixed_step_tokens;  // unset: 128 of a server on processors
  std::optional<std::int64_t> cache_tokens;       // unset: by the memory that is left
  std::optional<double> memory_fraction;  // of that; unset: 0.9 of a device's, half of a host's
  MemoryCheck memory_check = MemoryCheck::kAuto;
  bool prefix_cache = true;
  BackendKind backend = BackendKind::kCpu;

  // Most tokens of one pass. A GPU has use for thousands of rows; a processor is busy with a few
  // hundred, and whoever waits for the pass waits the longer.
  std::int64_t step_tokens(bool on_gpus) const {
    return max_step_tokens.value_or(on_gpus ? 2048 : 512);
  }
};

struct SamplingOptions {
  SamplingParams params;
  std::vector<std::string> stop;
  std::int64_t n = 1;                    // as in TextRequest
  std::int64_t best_of = 0;              // the same
  BeamOptions beams;                     // the same
  std::optional<std::int64_t> logprobs;  // the same
  // Prompt and new tokens together, of a model that says that instead of max_new_tokens.
  std::optional<std::int64_t> max_length;
};

struct EmbedOptions {
  std::optional<std::int64_t> layer;  // of hidden_states, as transformers counts; unset: the last
  Pooling pooling = Pooling::kMean;
};

// What generate, score and embed do with fields of a line that they do not know.
enum class UnknownFields : std::uint8_t { kRefuse, kPassThrough };

struct InputOptions {
  UnknownFields unknown_fields = UnknownFields::kRefuse;
};

// serve.
struct ServerOptions {
  std::string host = "127.0.0.1";
  std::int64_t port = 8000;
  std::string model_name;            // empty: model.path
  std::string api_key_file;          // empty: anybody may ask
  std::int64_t trusted_proxies = 0;  // in front of the server, that write X-Forwarded-For
  LogFormat log_format = LogFormat::kText;
  bool log_requests = false;  // each leaves a line when it begins and one when it ends
  std::string tls_cert;       // files, both or none; empty: no TLS
  std::string tls_key;
  std::string chat_template;                   // a file; empty: what the model's tokenizer has
  std::vector<std::string> cors_origins = {};  // pages of these may ask; "*": all pages
  std::int64_t max_body_bytes = std::int64_t{32} << 20;
  std::int64_t max_queue = 4096;          // requests that are accepted and not answered
  double drain_seconds = 30.0;            // to answer what is accepted, when it is told to stop
  bool allow_load = false;                // clients may have other weights loaded
  std::optional<std::int64_t> min_ranks;  // of a group that goes on with fewer; unset: tp
};

// Everything that can be configured. Filled from YAML, then --set, then flags: the later wins.
// option_table.h binds every member to its key.
struct Options {
  ModelOptions model;
  ParallelOptions parallel;
  CommOptions comm;
  EngineLimits engine;
  SamplingOptions sampling;
  EmbedOptions embed;
  InputOptions input;
  ServerOptions server;

  // Who has set a key, by its path, as messages name it: "run.yaml:3:7: parallel.tp", "--tp".
  std::map<std::string, std::string, std::less<>> stated;
};

}  // namespace lockstep
