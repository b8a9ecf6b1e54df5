#include "launcher/config/option_table.h"

#include <algorithm>
#include <type_traits>

#include "core/error.h"
#include "launcher/config/config_yaml.h"
#include "launcher/config/nearest.h"
#include "launcher/config/option_types.h"

namespace lockstep {
namespace {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// Binds a key to the member that `access` reaches, of type T or std::optional<T>. An optional
// member is unset by null, and only an optional one may be null.
template <typename Access, typename Type>
OptionKey Key(std::string path, std::string help, const Type& type, Access access) {
  using Member = std::remove_cvref_t<decltype(access(std::declval<Options&>()))>;
  OptionKey key{std::move(path), type.Expected(), std::move(help), {}, {}};
  key.set = [access, type](Options& options, const ConfigValue& value) {
    if constexpr (IsOptional<Member>::value) {
      if (value.kind == ConfigValue::Kind::kNull) {
        access(options) = std::nullopt;
        return;
      }
    }
    access(options) = type.Parse(value);
  };
  key.print = [access, type](const Options& options) {
    if constexpr (IsOptional<Member>::value)
      return access(options) ? type.Print(*access(options)) : std::string("null");
    else
      return type.Print(access(options));
  };
  return key;
}

const IntegerType kCount{1, std::int64_t{1} << 24};
const NumberType kPositive{1e-30, 1e30};

void AddModelKeys(std::vector<OptionKey>& table) {
  const ChoiceType<WeightFormat> formats{{{"fp32", WeightFormat::kF32},
                                          {"bf16", WeightFormat::kBF16},
                                          {"fp16", WeightFormat::kF16},
                                          {"int8", WeightFormat::kInt8},
                                          {"int4", WeightFormat::kInt4}}};
  const ChoiceType<DType> cache_dtypes{{{"fp32", DType::kF32},
                                        {"bf16", DType::kBF16},
                                        {"fp16", DType::kF16},
                                        {"int8", DType::kI8},
                                        {"fp8", DType::kF8}}};
  table.push_back(Key(
      "model.path", "a folder, or org/name[@revision] in the Hugging Face cache", TextType{},
      [](auto& o) -> auto& { return o.model.path; }));
  table.push_back(Key(
      "model.tokenizer", "a folder or a tokenizer.json; empty: the model's own", TextType{},
      [](auto& o) -> auto& { return o.model.tokenizer; }));
  table.push_back(Key(
      "model.dtype", "what weights are kept in and multiplied as", formats,
      [](auto& o) -> auto& { return o.model.dtype; }));
  table.push_back(Key(
      "model.cache_dtype",
      "what keys and values are kept in (fp8: on GPUs, int8: on processors); null: fp32 for fp32, "
      "fp16 for fp16, else bf16",
      cache_dtypes, [](auto& o) -> auto& { return o.model.cache_dtype; }));
}

void AddShapeSizes(std::vector<OptionKey>& table) {
  const ChoiceType<Family> families{{{"gptj", Family::kGptJ}, {"gpt_neox", Family::kGptNeoX}}};
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
      "model.shape.d_ff", "width of the feed-forward layer; null: 4 x d_model", kCount,
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
      "parallel.tp", "ranks to divide the model over; null: one, or those of mpirun",
      IntegerType{1, 1 << 16}, [](auto& o) -> auto& { return o.parallel.tp; }));
  table.push_back(Key(
      "parallel.dp", "groups of ranks, a whole model each, that share the lines of --input",
      IntegerType{1, 1 << 16}, [](auto& o) -> auto& { return o.parallel.dp; }));
  const ChoiceType<DeviceChoice> devices{
      {{"cpu", DeviceChoice::kCpu}, {"cuda", DeviceChoice::kCuda}, {"auto", DeviceChoice::kAuto}}};
  table.push_back(Key(
      "parallel.device", "what ranks compute with; auto: GPUs where there are, and says if not",
      devices, [](auto& o) -> auto& { return o.parallel.device; }));
  const ChoiceType<StepGraphs> graphs{{{"auto", StepGraphs::kAuto}, {"off", StepGraphs::kOff}}};
  table.push_back(Key(
      "parallel.cuda_graphs", "auto: GPUs record steps of single tokens and replay them", graphs,
      [](auto& o) -> auto& { return o.parallel.cuda_graphs; }));
  table.push_back(Key(
      "parallel.threads", "threads of each rank; 0: the cores over the ranks", IntegerType{0, 4096},
      [](auto& o) -> auto& { return o.parallel.threads; }));
  const ChoiceType<Binding> bindings{{{"auto", Binding::kAuto}, {"none", Binding::kNone}}};
  table.push_back(Key(
      "parallel.bind", "keep each rank's threads on cores of its own; auto: where there are enough",
      bindings, [](auto& o) -> auto& { return o.parallel.bind; }));
  table.push_back(Key(
      "comm.deadline_seconds", "how long a rank waits for another in a collective",
      NumberType{0.1, 86400.0}, [](auto& o) -> auto& { return o.comm.deadline_seconds; }));
  table.push_back(Key(
      "comm.init_deadline_seconds", "how long ranks wait for all to have started",
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
      "engine.max_step_tokens", "most tokens of one pass over the model", IntegerType{1, 1 << 20},
      [](auto& o) -> auto& { return o.engine.max_step_tokens; }));
  table.push_back(Key(
      "engine.cache_tokens", "tokens that the KV cache holds; null: by the memory that is left",
      IntegerType{1, std::int64_t{1} << 40},
      [](auto& o) -> auto& { return o.engine.cache_tokens; }));
  table.push_back(Key(
      "engine.memory_fraction",
      "the part of the memory left beside the weights that the KV cache may take; null: 0.9 of a "
      "GPU's, 0.5 of a host's",
      NumberType{0.01, 1.0}, [](auto& o) -> auto& { return o.engine.memory_fraction; }));
  const ChoiceType<MemoryCheck> checks{{{"auto", MemoryCheck::kAuto}, {"off", MemoryCheck::kOff}}};
  table.push_back(Key(
      "engine.memory_check", "auto: what does not fit into memory is refused before it is loaded",
      checks, [](auto& o) -> auto& { return o.engine.memory_check; }));
  table.push_back(Key(
      "engine.prefix_cache", "texts with the same beginning compute it once", FlagType{},
      [](auto& o) -> auto& { return o.engine.prefix_cache; }));
  table.push_back(Key(
      "engine.backend", "fast kernels, or the slow and plain ones", backends,
      [](auto& o) -> auto& { return o.engine.backend; }));
}

void AddSamplingKeys(std::vector<OptionKey>& table) {
  table.push_back(Key(
      "sampling.max_new_tokens", "most tokens to generate", kCount,
      [](auto& o) -> auto& { return o.sampling.params.max_new_tokens; }));
  table.push_back(Key(
      "sampling.temperature", "0 takes the most likely token always", NumberType{0.0, 1e6},
      [](auto& o) -> auto& { return o.sampling.params.temperature; }));
  table.push_back(Key(
      "sampling.top_k", "choose among the k most likely tokens; 0: all", IntegerType{0, 1 << 24},
      [](auto& o) -> auto& { return o.sampling.params.top_k; }));
  table.push_back(Key(
      "sampling.top_p", "choose among the likeliest that hold this probability",
      NumberType{0.0, 1.0}, [](auto& o) -> auto& { return o.sampling.params.top_p; }));
  table.push_back(Key(
      "sampling.min_p", "drop tokens less likely than this part of the likeliest; 0: none",
      NumberType{0.0, 1.0}, [](auto& o) -> auto& { return o.sampling.params.min_p; }));
  table.push_back(Key(
      "sampling.repetition_penalty", "divides the logits of tokens that were there; 1: off",
      NumberType{1e-3, 1e3},
      [](auto& o) -> auto& { return o.sampling.params.repetition_penalty; }));
  table.push_back(Key(
      "sampling.presence_penalty", "lowers the logits of tokens that were generated; 0: off",
      NumberType{-2.0, 2.0}, [](auto& o) -> auto& { return o.sampling.params.presence_penalty; }));
  table.push_back(Key(
      "sampling.frequency_penalty", "the same for each time they were; 0: off",
      NumberType{-2.0, 2.0}, [](auto& o) -> auto& { return o.sampling.params.frequency_penalty; }));
  table.push_back(Key(
      "sampling.min_tokens", "no text ends before it has so many tokens",
      IntegerType{0, std::int64_t{1} << 24},
      [](auto& o) -> auto& { return o.sampling.params.min_tokens; }));
  table.push_back(Key(
      "sampling.n", "samples of each text of --input", IntegerType{1, 1024},
      [](auto& o) -> auto& { return o.sampling.n; }));
  table.push_back(Key(
      "sampling.best_of", "make so many samples and keep the likeliest n; 0: n",
      IntegerType{0, 1024}, [](auto& o) -> auto& { return o.sampling.best_of; }));
  table.push_back(Key(
      "sampling.num_beams", "search with so many beams; 1: no beam search",
      IntegerType{1, kMostBeams}, [](auto& o) -> auto& { return o.sampling.beams.num_beams; }));
  table.push_back(Key(
      "sampling.length_penalty", "of beam search; above 0 favours long texts",
      NumberType{-100.0, 100.0}, [](auto& o) -> auto& { return o.sampling.beams.length_penalty; }));
  const ChoiceType<EarlyStopping> stops{{{"false", EarlyStopping::kFalse},
                                         {"true", EarlyStopping::kTrue},
                                         {"never", EarlyStopping::kNever}}};
  table.push_back(Key(
      "sampling.early_stopping", "when beam search ends, as in transformers", stops,
      [](auto& o) -> auto& { return o.sampling.beams.early_stopping; }));
  table.push_back(Key(
      "sampling.logprobs",
      "give log-probabilities, and so many of the likeliest tokens; null: none",
      IntegerType{0, 1 << 20}, [](auto& o) -> auto& { return o.sampling.logprobs; }));
  table.push_back(Key(
      "sampling.seed", "of the random numbers; the same seed, the same text", SeedType{},
      [](auto& o) -> auto& { return o.sampling.params.seed; }));
  table.push_back(Key(
      "sampling.stop", "the text ends before the first of these", TextListType{},
      [](auto& o) -> auto& { return o.sampling.stop; }));
  table.push_back(Key(
      "sampling.ignore_eos", "go on past the model's end token", FlagType{},
      [](auto& o) -> auto& { return o.sampling.params.ignore_eos; }));
}

void AddEmbedKeys(std::vector<OptionKey>& table) {
  const ChoiceType<Pooling> poolings{{{"mean", Pooling::kMean}, {"last", Pooling::kLast}}};
  table.push_back(Key(
      "embed.layer", "whose hidden states: 0 the embedding's; null: the last, with the final norm",
      IntegerType{0, 1 << 20}, [](auto& o) -> auto& { return o.embed.layer; }));
  table.push_back(Key(
      "embed.pooling", "the mean over a text's tokens, or its last token", poolings,
      [](auto& o) -> auto& { return o.embed.pooling; }));
}

std::vector<OptionKey> MakeTable() {
  std::vector<OptionKey> table;
  AddModelKeys(table);
  AddShapeSizes(table);
  AddShapeChoices(table);
  AddRunKeys(table);
  AddSamplingKeys(table);
  AddEmbedKeys(table);
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
  ThrowUnknownKey(path, where);
}

bool IsSection(std::string_view section) { return !KeysOf(section).empty(); }

void ThrowUnknownKey(std::string_view path, std::string_view where) {
  std::vector<std::string> names;
  for (const OptionKey& key : OptionTable()) {
    names.push_back(key.path);
    for (auto dot = key.path.find('.'); dot != std::string::npos; dot = key.path.find('.', dot + 1))
      names.push_back(key.path.substr(0, dot));
  }
  throw BadInput("{}: unknown key {}; the nearest known key is \"{}\"", where,
                 QuotedText(path.substr(0, 100)), NearestName(path, names));
}

void ApplySetting(Options& options, std::string_view setting) {
  const auto equals = setting.find('=');
  const std::string where = fmt::format("--set {}", setting.substr(0, 100));
  if (equals == std::string_view::npos)
    throw BadInput("{}: expected key.path=value, for example --set sampling.top_k=40", where);
  const std::string_view path = setting.substr(0, equals);
  if (IsSection(path))
    throw BadInput("{}: \"{}\" is a section; name one of its keys: {}", where, path, KeysOf(path));
  const std::string_view text = setting.substr(equals + 1);
  const std::string name = fmt::format("--set {}", path);
  ConfigValue value{ConfigValue::Kind::kPlain, std::string(text), {}, name};
  if (text.starts_with('[')) value = ParseYamlList(text, name);
  FindOption(path, where).set(options, value);
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
                        key.print(options), key.help);
  }
  return text;
}

}  // namespace lockstep
