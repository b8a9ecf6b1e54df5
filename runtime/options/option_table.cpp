#include "runtime/options/option_table.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "runtime/options/option_keys.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/words/synonyms.h"
#include "runtime/options/yaml/config_yaml.h"

namespace lockstep {
namespace {

const IntegerType kCount{1, std::int64_t{1} << 24};
const NumberType kPositive{1e-30, 1e30};

void AddModelKeys(std::vector<OptionKey>& table) {
  const ChoiceType<DtypeChoice> formats{{{"auto", {}},
                                         {"fp32", WeightFormat::kF32},
                                         {"bf16", WeightFormat::kBF16},
                                         {"fp16", WeightFormat::kF16},
                                         {"fp8", WeightFormat::kF8},
                                         {"int8", WeightFormat::kInt8},
                                         {"int4", WeightFormat::kInt4}},
                                        {{"float32", WeightFormat::kF32},
                                         {"bfloat16", WeightFormat::kBF16},
                                         {"float16", WeightFormat::kF16},
                                         {"half", WeightFormat::kF16},
                                         {"float8_e4m3fn", WeightFormat::kF8}}};
  const ChoiceType<DType> cache_dtypes{{{"fp32", DType::kF32},
                                        {"bf16", DType::kBF16},
                                        {"fp16", DType::kF16},
                                        {"int8", DType::kI8},
                                        {"fp8", DType::kF8}},
                                       {{"float32", DType::kF32},
                                        {"bfloat16", DType::kBF16},
                                        {"float16", DType::kF16},
                                        {"half", DType::kF16}}};
  table.push_back(Key(
      "model.path", "a folder, or org/name[@revision] in the Hugging Face cache", TextType{},
      [](auto& o) -> auto& { return o.model.path; }));
  table.push_back(Key(
      "model.tokenizer", {"a folder, a tokenizer.json or a model's name", "the model's own"},
      TextType{}, [](auto& o) -> auto& { return o.model.tokenizer; }));
  table.push_back(Key(
      "model.generation_config",
      "whose sampling defaults: auto (the model's generation_config.json), none, or a path",
      TextType{}, [](auto& o) -> auto& { return o.model.generation_config; }));
  table.push_back(Key(
      "model.dtype",
      "format of the weights in memory; auto: bf16 for a 16-bit checkpoint where processors have "
      "instructions for bf16, on GPUs the checkpoint's own or bf16, else fp32",
      formats, [](auto& o) -> auto& { return o.model.dtype; }));
  table.push_back(Key(
      "model.cache_dtype",
      {"the format of keys and values (fp8: on GPUs only, int8: on processors only)",
       "fp32 for fp32, fp16 for fp16, else bf16"},
      cache_dtypes, [](auto& o) -> auto& { return o.model.cache_dtype; }));
}

void AddShapeSizes(std::vector<OptionKey>& table) {
  ChoiceType<Family> families;
  for (const Family family : kFamilies) families.choices.push_back({Name(family), family});
  table.push_back(Key(
      "model.shape.family", "the architecture", families,
      [](auto& o) -> auto& { return o.model.shape.family; }));
  table.push_back(Key(
      "model.shape.layers", "blocks", kCount,
      [](auto& o) -> auto& { return o.model.shape.layers; }));
  table.push_back(Key(
      "model.shape.d_model", "width of the hidden state", kCount,
      [](auto& o) -> auto& { return o.model.shape.d_model; }));
  table.push_back(Key(
      "model.shape.heads", "attention heads of a block; the most ranks possible", kCount,
      [](auto& o) -> auto& { return o.model.shape.heads; }));
  table.push_back(Key(
      "model.shape.kv_heads", {"heads of keys and values", "as many, and nothing else yet"}, kCount,
      [](auto& o) -> auto& { return o.model.shape.kv_heads; }));
  table.push_back(Key(
      "model.shape.d_head", {"width of a head", "d_model / heads"}, kCount,
      [](auto& o) -> auto& { return o.model.shape.d_head; }));
  table.push_back(Key(
      "model.shape.d_ff", {"width of the feed-forward layer", "4 x d_model"}, kCount,
      [](auto& o) -> auto& { return o.model.shape.d_ff; }));
  table.push_back(Key(
      "model.shape.rotary_dims", "dims of a head that carry the position", IntegerType{0, 1 << 20},
      [](auto& o) -> auto& { return o.model.shape.rotary_dims; }));
  table.push_back(Key(
      "model.shape.vocab_rows", "rows of the embedding, padding included", kCount,
      [](auto& o) -> auto& { return o.model.shape.vocab_rows; }));
  table.push_back(Key(
      "model.shape.context", "most tokens of a sequence", kCount,
      [](auto& o) -> auto& { return o.model.shape.context; }));
}

void AddShapeChoices(std::vector<OptionKey>& table) {
  const ChoiceType<GeluKind> gelus{{{"exact", GeluKind::kExact}, {"tanh", GeluKind::kTanh}}};
  table.push_back(Key(
      "model.shape.rotary_base", "base of the rotary frequencies", kPositive,
      [](auto& o) -> auto& { return o.model.shape.rotary_base; }));
  table.push_back(Key(
      "model.shape.norm_epsilon", "epsilon of the layer norms", NumberType{1e-30, 1.0},
      [](auto& o) -> auto& { return o.model.shape.norm_epsilon; }));
  table.push_back(Key(
      "model.shape.gelu", "the form of GELU", gelus,
      [](auto& o) -> auto& { return o.model.shape.gelu; }));
  table.push_back(Key(
      "model.shape.parallel_residual",
      "attention and MLP read the same input: one all-reduce per block", FlagType{},
      [](auto& o) -> auto& { return o.model.shape.parallel_residual; }));
  table.push_back(Key(
      "model.shape.attention_bias", "attention projections have biases", FlagType{},
      [](auto& o) -> auto& { return o.model.shape.attention_bias; }));
  table.push_back(Key(
      "model.shape.tied_embeddings", "the LM head is the embedding", FlagType{},
      [](auto& o) -> auto& { return o.model.shape.tied_embeddings; }));
}

void AddRunKeys(std::vector<OptionKey>& table) {
  const ChoiceType<BackendKind> backends{
      {{"cpu", BackendKind::kCpu}, {"reference", BackendKind::kReference}}};
  table.push_back(Key(
      "parallel.tp", {"ranks to divide the model over", "one, or those of mpirun"},
      IntegerType{1, 1 << 16}, [](auto& o) -> auto& { return o.parallel.tp; }));
  table.push_back(Key(
      "parallel.pp", "stages of a pipeline that the blocks are cut into, of --tp ranks each",
      IntegerType{1, 1 << 16}, [](auto& o) -> auto& { return o.parallel.pp; }));
  table.push_back(Key(
      "parallel.dp", "groups of ranks (--tp times --pp), each a whole model, that share the work",
      IntegerType{1, 1 << 16}, [](auto& o) -> auto& { return o.parallel.dp; }));
  const ChoiceType<DeviceChoice> devices{
      {{"cpu", DeviceChoice::kCpu}, {"cuda", DeviceChoice::kCuda}, {"auto", DeviceChoice::kAuto}}};
  table.push_back(Key(
      "parallel.device",
      "what ranks compute on; auto: GPUs if there are any, else the processor, with a warning",
      devices, [](auto& o) -> auto& { return o.parallel.device; }));
  const ChoiceType<StepGraphs> graphs{{{"auto", StepGraphs::kAuto}, {"off", StepGraphs::kOff}}};
  table.push_back(Key(
      "parallel.cuda_graphs", "auto: GPUs record steps of single tokens and replay them", graphs,
      [](auto& o) -> auto& { return o.parallel.cuda_graphs; }));
  const ChoiceType<BatchInvariance> invariance{{{"auto", BatchInvariance::kAuto},
                                                {"on", BatchInvariance::kOn},
                                                {"off", BatchInvariance::kOff}}};
  table.push_back(Key(
      "parallel.batch_invariant",
      "on: a text has the same bits in any batch, in any chunks, and on 1, 2, 4 and 8 GPUs; "
      "processors always do; auto: off, as its cost has not been measured on a GPU",
      invariance, [](auto& o) -> auto& { return o.parallel.batch_invariant; }));
  const ChoiceType<OverlapSums> overlap{
      {{"auto", OverlapSums::kAuto}, {"on", OverlapSums::kOn}, {"off", OverlapSums::kOff}}};
  table.push_back(Key(
      "parallel.overlap_sums",
      "sums of one half of a long step's rows travel while the other half is computed; auto: "
      "between hosts with a short way; on GPUs off, as it has not been measured on any",
      overlap, [](auto& o) -> auto& { return o.parallel.overlap_sums; }));
  table.push_back(Key(
      "parallel.threads", "threads of each rank; 0: the host's cores divided by its ranks",
      IntegerType{0, 4096}, [](auto& o) -> auto& { return o.parallel.threads; }));
  const ChoiceType<Binding> bindings{{{"auto", Binding::kAuto}, {"none", Binding::kNone}}};
  table.push_back(Key(
      "parallel.bind",
      "keeps each rank's threads on cores of its own; auto: where there are enough", bindings,
      [](auto& o) -> auto& { return o.parallel.bind; }));
  table.push_back(Key(
      "comm.deadline_seconds", "seconds that a rank waits for another in a collective",
      NumberType{0.1, 86400.0}, [](auto& o) -> auto& { return o.comm.deadline_seconds; }));
  table.push_back(Key(
      "comm.init_deadline_seconds", "seconds that ranks wait for all to have started",
      NumberType{0.1, 86400.0}, [](auto& o) -> auto& { return o.comm.init_deadline_seconds; }));
  const ChoiceType<SharedMemory> sharing{
      {{"auto", SharedMemory::kAuto}, {"on", SharedMemory::kOn}, {"off", SharedMemory::kOff}}};
  table.push_back(Key(
      "comm.shared_memory",
      "whether ranks of one host talk through shared memory; auto: where they can", sharing,
      [](auto& o) -> auto& { return o.comm.shared_memory; }));
  table.push_back(Key(
      "engine.max_sequences", "most sequences generated at the same time", IntegerType{1, 1 << 16},
      [](auto& o) -> auto& { return o.engine.max_sequences; }));
  table.push_back(Key(
      "engine.max_step_tokens", {"most tokens of one pass over the model", "512; on GPUs 2048"},
      IntegerType{1, 1 << 20}, [](auto& o) -> auto& { return o.engine.max_step_tokens; }));
  table.push_back(Key(
      "engine.mixed_step_tokens",
      {"most tokens of a pass while texts are being written, which wait for it",
       "128 of serve on processors, else as many"},
      IntegerType{1, 1 << 20}, [](auto& o) -> auto& { return o.engine.mixed_step_tokens; }));
  table.push_back(Key(
      "engine.cache_tokens", {"tokens that the KV cache holds", "by the memory that is left"},
      IntegerType{1, std::int64_t{1} << 40},
      [](auto& o) -> auto& { return o.engine.cache_tokens; }));
  table.push_back(Key(
      "engine.memory_fraction",
      {"the part of the memory left beside the weights that the KV cache may take",
       "0.9 of a GPU's, 0.5 of a host's"},
      NumberType{0.01, 1.0}, [](auto& o) -> auto& { return o.engine.memory_fraction; }));
  const ChoiceType<MemoryCheck> checks{{{"auto", MemoryCheck::kAuto}, {"off", MemoryCheck::kOff}}};
  table.push_back(Key(
      "engine.memory_check", "auto: what does not fit into memory is refused before it is loaded",
      checks, [](auto& o) -> auto& { return o.engine.memory_check; }));
  table.push_back(Key(
      "engine.prefix_cache", "texts with the same beginning compute it once", FlagType{},
      [](auto& o) -> auto& { return o.engine.prefix_cache; }));
  table.push_back(Key(
      "engine.backend", "cpu: fast kernels; reference: slow and plain ones, to compare with",
      backends, [](auto& o) -> auto& { return o.engine.backend; }));
}

void AddInputKeys(std::vector<OptionKey>& table) {
  const ChoiceType<UnknownFields> choices{
      {{"refuse", UnknownFields::kRefuse}, {"pass_through", UnknownFields::kPassThrough}}};
  table.push_back(Key(
      "input.unknown_fields", "of a line: refuse, or pass_through to its answer", choices,
      [](auto& o) -> auto& { return o.input.unknown_fields; }));
}

void AddEmbedKeys(std::vector<OptionKey>& table) {
  const ChoiceType<Pooling> poolings{{{"mean", Pooling::kMean}, {"last", Pooling::kLast}}};
  table.push_back(Key(
      "embed.layer", {"whose hidden states: 0 the embedding's", "the last, with the final norm"},
      IntegerType{0, 1 << 20}, [](auto& o) -> auto& { return o.embed.layer; }));
  table.push_back(Key(
      "embed.pooling", "the mean over a text's tokens, or its last token", poolings,
      [](auto& o) -> auto& { return o.embed.pooling; }));
}

void AddServerKeys(std::vector<OptionKey>& table) {
  table.push_back(Key(
      "server.host", "the address to listen at; 0.0.0.0: all of this machine's", TextType{},
      [](auto& o) -> auto& { return o.server.host; }));
  table.push_back(Key(
      "server.port", "the port to listen at; 0: any that is free", IntegerType{0, 65535},
      [](auto& o) -> auto& { return o.server.port; }));
  table.push_back(Key(
      "server.model_name", {"what clients call the model", "model.path"}, TextType{},
      [](auto& o) -> auto& { return o.server.model_name; }));
  table.push_back(Key(
      "server.api_key_file",
      {"a file with the API keys of which clients have to send one, one key a line", "none"},
      TextType{}, [](auto& o) -> auto& { return o.server.api_key_file; }));
  table.push_back(Key(
      "server.trusted_proxies",
      "number of proxies in front of the server that add their client to X-Forwarded-For, by which "
      "clients are told apart to share the server fairly; 0: by their own addresses",
      IntegerType{0, 100}, [](auto& o) -> auto& { return o.server.trusted_proxies; }));
  const ChoiceType<LogFormat> formats{{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}};
  table.push_back(Key(
      "server.log_format", "lines of text, or an object of JSON in each", formats,
      [](auto& o) -> auto& { return o.server.log_format; }));
  table.push_back(Key(
      "server.log_requests", "each request leaves a line when it begins and one when it ends",
      FlagType{}, [](auto& o) -> auto& { return o.server.log_requests; }));
  table.push_back(Key(
      "server.tls_cert",
      {"a file with the certificate, in PEM, and those that lead to it", "no TLS"}, TextType{},
      [](auto& o) -> auto& { return o.server.tls_cert; }));
  table.push_back(Key(
      "server.tls_key", "a file with the certificate's private key, in PEM", TextType{},
      [](auto& o) -> auto& { return o.server.tls_key; }));
  table.push_back(Key(
      "server.chat_template",
      {"a file with the Jinja template of chats", "that of the model's tokenizer"}, TextType{},
      [](auto& o) -> auto& { return o.server.chat_template; }));
  table.push_back(Key(
      "server.cors_origins",
      "origins whose pages browsers may let ask (\"https://example.com\"); \"*\": all",
      TextListType{}, [](auto& o) -> auto& { return o.server.cors_origins; }));
  table.push_back(Key(
      "server.max_body_bytes", "most bytes of a request's body",
      IntegerType{1024, std::int64_t{1} << 40},
      [](auto& o) -> auto& { return o.server.max_body_bytes; }));
  table.push_back(Key(
      "server.max_queue", "most requests that are accepted and not answered yet",
      IntegerType{1, 1 << 20}, [](auto& o) -> auto& { return o.server.max_queue; }));
  table.push_back(Key(
      "server.drain_seconds", "seconds for accepted requests, when the server is told to stop",
      NumberType{0.0, 86400.0}, [](auto& o) -> auto& { return o.server.drain_seconds; }));
  table.push_back(Key(
      "server.allow_load",
      "clients may have the weights exchanged for those of another checkpoint of the same shape "
      "(POST /v1/load); the cache leaves room for both",
      FlagType{}, [](auto& o) -> auto& { return o.server.allow_load; }));
  table.push_back(Key(
      "server.min_ranks",
      {"a group of ranks that cannot be started again goes on with fewer, down to these", "never"},
      IntegerType{1, 1 << 16}, [](auto& o) -> auto& { return o.server.min_ranks; }));
}

std::vector<OptionKey> MakeTable() {
  std::vector<OptionKey> table;
  AddModelKeys(table);
  AddShapeSizes(table);
  AddShapeChoices(table);
  AddRunKeys(table);
  AddSamplingKeys(table);
  AddEmbedKeys(table);
  AddInputKeys(table);
  AddServerKeys(table);
  return table;
}

// Opens the sections of `path` that the key before it has not opened.
void PrintSections(std::string_view path, std::string_view before, std::string& text) {
  std::size_t begin = 0;
  std::string indent;
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos;
       dot = path.find('.', begin)) {
    if (before.substr(0, dot + 1) != path.substr(0, dot + 1))
      text += fmt::format("{}{}:\n", indent, path.substr(begin, dot - begin));
    indent += "  ";
    begin = dot + 1;
  }
}

// The section of a key and its name in it.
std::pair<std::string_view, std::string_view> Split(std::string_view path) {
  const auto dot = path.rfind('.');
  if (dot == std::string_view::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

std::vector<std::string> NamesIn(std::string_view section) {
  std::vector<std::string> names;
  for (const OptionKey& key : OptionTable())
    if (Split(key.path).first == section) names.emplace_back(Split(key.path).second);
  return names;
}

std::string KeysOf(std::string_view section) {
  std::string names;
  for (const OptionKey& key : OptionTable())
    if (key.path.starts_with(std::string(section) + "."))
      names += (names.empty() ? "" : ", ") + key.path;
  return names;
}

}  // namespace

const std::vector<OptionKey>& OptionTable() {
  static const std::vector<OptionKey> table = MakeTable();
  return table;
}

const OptionKey& FindOption(std::string_view path, std::string_view where) {
  for (const OptionKey& key : OptionTable())
    if (key.path == path) return key;
  const auto [section, name] = Split(path);
  const std::string same(SameAs(name, NamesIn(section)));
  if (same.empty()) ThrowUnknownKey(path, where);
  return FindOption(fmt::format("{}.{}", section, same), where);
}

std::string MeaningOf(const OptionKey& key) {
  if (key.left_to_model)
    return fmt::format("{}; null: the model's, else {}", key.help, key.value(Options{}));
  if (key.unset.empty()) return key.help;
  return fmt::format("{}; {}: {}", key.help, key.nullable ? "null" : "empty", key.unset);
}

std::string UsualOf(const OptionKey& key) {
  const std::string value = key.value(Options{});
  if (key.left_to_model && value != "[]") return fmt::format("the model's, or {}", value);
  if (!key.unset.empty()) return key.unset;
  if (value == "null" || value == "[]") return "";
  // Text is in quotes, as YAML has it.
  return value.starts_with('"') ? value.substr(1, value.size() - 2) : value;
}

bool IsSection(std::string_view section) { return !KeysOf(section).empty(); }

void ThrowUnknownKey(std::string_view path, std::string_view where) {
  std::vector<std::string> names;
  for (const OptionKey& key : OptionTable()) {
    names.push_back(key.path);
    for (auto dot = key.path.find('.'); dot != std::string::npos; dot = key.path.find('.', dot + 1))
      names.push_back(key.path.substr(0, dot));
  }
  const std::string_view name = Split(path).second;
  std::string nearest = CloseName(path, names);
  for (const OptionKey& key : OptionTable())
    if (Split(key.path).second == SameAs(name, {std::string(Split(key.path).second)}))
      nearest = key.path;
  const std::string advice = nearest.empty()
                                 ? "--print-config prints all keys"
                                 : fmt::format("the nearest known key is \"{}\"", nearest);
  throw BadInput("{}: unknown key {}; {}", where, QuotedText(path.substr(0, 100)),
                 AdviceOr(name, advice));
}

void ApplySetting(Options& options, std::string_view setting) {
  const auto equals = setting.find('=');
  const std::string where = fmt::format("--set {}", setting.substr(0, 100));
  if (equals == std::string_view::npos)
    throw BadInput("{}: expected key.path=value, for example --set sampling.top_k=40", where);
  const std::string_view path = setting.substr(0, equals);
  if (IsSection(path))
    throw BadInput("{}: \"{}\" is a section; name one of its keys: {}", where, path, KeysOf(path));
  const OptionKey& key = FindOption(path, where);
  const std::string text(setting.substr(equals + 1));
  const std::string name = fmt::format("--set {}", path);
  key.set(options,
          text.starts_with('[') ? ParseYamlList(text, name) : WrittenValue(key, text, name));
}

void ApplySettings(Options& options, std::span<const std::string> settings) {
  std::map<std::string, std::string> seen;  // by key
  for (const std::string& setting : settings) {
    ApplySetting(options, setting);
    const std::string path = setting.substr(0, setting.find('='));
    const auto [first, is_first] = seen.emplace(FindOption(path, "--set").path, path);
    if (!is_first)
      throw BadInput("--set {} and --set {} set the same key; give one", first->second, path);
  }
}

std::string PrintOptions(const Options& options) {
  std::string text;
  std::string_view before;
  for (const OptionKey& key : OptionTable()) {
    PrintSections(key.path, before, text);
    before = key.path;
    const auto dot = key.path.rfind('.');
    const auto depth = static_cast<std::size_t>(std::count(key.path.begin(), key.path.end(), '.'));
    text += fmt::format("{:{}}{}: {}  # {}\n", "", 2 * depth, key.path.substr(dot + 1),
                        key.print(options), MeaningOf(key));
  }
  return text;
}

}  // namespace lockstep
