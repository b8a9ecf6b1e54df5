#include "runtime/rank_alike.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"
#include "core/files/file.h"
#include "core/hash.h"
#include "core/version.h"
#include "partition/checkpoint/checkpoint.h"
#include "runtime/options/option_table.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// A rank's own business: where its files are, how it uses its host, how long it waits. The shape is
// compared as the model's own, tp as the size of the world.
bool MayDiffer(std::string_view key) {
  constexpr std::string_view kOwn[] = {"model.path",
                                       "model.tokenizer",
                                       "parallel.tp",
                                       "parallel.threads",
                                       "parallel.bind",
                                       "comm.deadline_seconds",
                                       "comm.init_deadline_seconds"};
  return std::ranges::count(kOwn, key) != 0 || key.starts_with("model.shape.");
}

std::string_view CommandName(const Arguments& arguments) {
  switch (arguments.command) {
    case Command::kGenerate:
      return arguments.has_prompt() ? "generate --prompt" : "generate --input";
    case Command::kScore: return "score";
    case Command::kEmbed: return "embed";
    case Command::kTokenize: return "tokenize";
    case Command::kPlan: return "plan";
    case Command::kBench: return "bench";
    case Command::kBenchScaling: return "bench scaling";
    case Command::kBenchServe: return "bench serve";
    case Command::kBenchCompare: return "bench compare";
    case Command::kEval: return "eval";
    case Command::kServe: return "serve";
    case Command::kComplete: return "complete";
    case Command::kEnvironment: return "env";
    case Command::kTrace: return "trace";
  }
  return "";
}

std::string BenchText(const BenchOptions& bench) {
  return fmt::format("{}: batch sizes {}, prompts of {}, {} new tokens, messages of {}, {} rounds",
                     Name(bench.kind), fmt::join(bench.batch_sizes, ","),
                     fmt::join(bench.prompt_tokens, ","), bench.new_tokens,
                     fmt::join(bench.message_bytes, ","), bench.rounds);
}

std::string PointsText(const ScalingOptions& scaling) {
  return fmt::format("kind {}: batch sizes {}, prompts of {}, {} new tokens, {} rounds",
                     static_cast<int>(scaling.kind), fmt::join(scaling.batch_sizes, ","),
                     fmt::join(scaling.prompt_tokens, ","), fmt::join(scaling.new_tokens, ","),
                     scaling.rounds);
}

void AddRope(const Rope& rope, const auto& add) {
  add("rotary kind", static_cast<int>(rope.type));
  add("rotary base", rope.base);
  add("odd rotary dims", rope.odd_dims);
  add("rotary factor", rope.factor);
  add("original context", rope.original_context_tokens);
  add("attention factor", rope.attention_factor);
  add("rotary beta_fast", rope.beta_fast);
  add("rotary beta_slow", rope.beta_slow);
  add("rotary whole ramp", rope.whole_ramp);
  add("rotary low frequency factor", rope.low_frequency_factor);
  add("rotary high frequency factor", rope.high_frequency_factor);
}

void AddWeights(const ModelFiles& model, RankFacts& facts) {
  facts.push_back({"weights", model.random_seed
                                  ? fmt::format("random ones (seed {})", *model.random_seed)
                                  : "a checkpoint"});
  if (model.random_seed) return;
  for (const TensorSample& tensor : Checkpoint::Open(model.folder).Samples()) {
    facts.push_back({"tensor " + tensor.info.name,
                     fmt::format("{} {} with bytes {:016x}", Name(tensor.info.dtype),
                                 tensor.info.shape.ToString(), tensor.hash)});
  }
}

std::string FileFact(const std::filesystem::path& file) {
  if (!FileExists(file)) return "no such file";
  const std::string text = ReadFile(file);
  return fmt::format("{} bytes, {:016x}", text.size(), HashBytes(std::as_bytes(std::span(text))));
}

// Those who need the files are the first ranks of groups; the others have no say ("").
void AddTextFiles(const Options& options, const ModelFiles& model, const ProcessGrid& grid,
                  RankFacts& facts) {
  const bool reads = grid.copy().rank() == 0;
  const std::filesystem::path tokenizer = options.model.tokenizer;
  const bool one_file = IsRegularFile(tokenizer);
  const auto& folder = tokenizer.empty() ? model.folder : tokenizer;
  constexpr std::array kFiles = {"tokenizer.json",
                                 "tokenizer_config.json",
                                 "special_tokens_map.json",
                                 "added_tokens.json",
                                 "vocab.json",
                                 "merges.txt"};
  for (const char* name : kFiles) {
    const auto file = one_file && name == std::string_view(kFiles[0]) ? tokenizer : folder / name;
    facts.push_back({name, reads ? FileFact(file) : ""});
  }
  const auto generation = model.folder / "generation_config.json";
  facts.push_back({"generation_config.json", reads ? FileFact(generation) : ""});
}

}  // namespace

RankFacts SettingsOf(const Arguments& arguments) {
  RankFacts facts{
      {"the program's version", std::string(Version())},
      {"the command", std::string(CommandName(arguments))},
      {"what bench measures", BenchText(arguments.bench)},
      {"what bench scaling measures", PointsText(arguments.scaling)},
      {"the models of eval", fmt::format("{}", fmt::join(arguments.evaluation.models, ","))},
      {"their revisions", fmt::format("{}", fmt::join(arguments.evaluation.revisions, ","))},
      {"whether they write a trace", arguments.trace_file.empty() ? "no" : "yes"}};
  for (const OptionKey& key : OptionTable())
    if (!MayDiffer(key.path)) facts.push_back({key.path, key.print(arguments.options)});
  return facts;
}

RankFacts FactsOf(const ModelSpec& spec) {
  RankFacts facts;
  const auto add = [&](std::string_view name, const auto& value) {
    facts.push_back({fmt::format("the model's {}", name), fmt::format("{}", value)});
  };
  add("family", Name(spec.family));
  add("layers", spec.layer_count);
  add("d_model", spec.d_model);
  add("heads", spec.head_count);
  add("heads of keys and values", spec.kv_head_count);
  add("d_head", spec.d_head());
  add("d_ff", spec.d_ff);
  add("rotary dims", spec.rotary_dims);
  add("vocabulary rows", spec.vocab_rows);
  add("context", spec.context_tokens);
  AddRope(spec.rope, add);
  add("norm epsilon", spec.norm_epsilon);
  add("GELU", Name(spec.gelu));
  add("scaling of scores by width", spec.scores.by_width);
  add("scaling of scores by layer", spec.scores.by_layer);
  add("parallel residual", spec.parallel_residual);
  add("attention bias", spec.attention_bias);
  add("tied embeddings", spec.tied_embeddings);
  return facts;
}

void CompareModels(const Arguments& arguments, const ModelFiles& model, const ProcessGrid& grid) {
  if (grid.world().size() == 1) return;
  RankFacts facts;
  Agree(grid.world(), "comparing the ranks' models", [&] {
    facts = FactsOf(model.spec);
    AddWeights(model, facts);
    if (grid.shape().data > 1) AddTextFiles(arguments.options, model, grid, facts);
  });
  CompareFacts(grid.world(), facts,
               fmt::format("give all ranks copies of one model (rank 0's is {})",
                           model.folder.empty() ? "random weights" : model.folder.string()));
}

}  // namespace lockstep
