#include "runtime/model_files.h"

#include "core/error.h"
#include "core/files/file.h"
#include "partition/model/config_json.h"
#include "partition/model/model_folder.h"
#include "runtime/auto_format.h"
#include "runtime/options/model_shape.h"

namespace lockstep {
namespace {

ModelSpec SpecOf(const std::filesystem::path& folder, const Options& options) {
  const ModelSpec spec = LoadModelSpec(folder);
  CheckAgreement(options.model.shape, spec, folder.string());
  return spec;
}

// What it is stored in counts only where that decides.
void ChooseFormat(const Options& options, ModelFiles& model) {
  if (options.model.dtype.is_auto() && !model.folder.empty())
    model.stored = StoredDType(model.folder);
  const ParallelOptions& parallel = options.parallel;
  const auto ranks = static_cast<int>(parallel.tp.value_or(1) * parallel.pp * parallel.dp);
  model.format = FormatHere(options, model.stored, ranks).format;
}

// The checkpoint's folder; empty where the shape that a configuration states has to do.
std::filesystem::path FindFolder(const Arguments& arguments) {
  const ModelOptions& model = arguments.options.model;
  if (model.path.empty()) return {};
  // A model that the user names is meant; one that a configuration names may be elsewhere.
  if (arguments.model_source == ModelSource::kFlag || !IsStated(model.shape))
    return ResolveModel(model.path);
  try {
    return ResolveModel(model.path);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    return {};
  }
}

}  // namespace

ModelFiles OpenModel(const Options& options) {
  ModelFiles model;
  model.folder = ResolveModel(options.model.path);
  model.spec = SpecOf(model.folder, options);
  model.generation =
      ReadGenerationConfig(model.folder, options.model.generation_config, model.spec);
  ChooseFormat(options, model);
  return model;
}

ModelFiles OpenModel(const Arguments& arguments) {
  if (arguments.weights == WeightChoice::kCheckpoint) return OpenModel(arguments.options);
  const std::filesystem::path folder = FindFolder(arguments);
  if (arguments.weights == WeightChoice::kRandomIfMissing && !folder.empty())
    return OpenModel(arguments.options);
  ModelFiles model;
  model.spec = ReadSpec(arguments);
  model.random_seed = 0;
  if (arguments.options.model.dtype.is_auto() && !folder.empty())
    model.stored = ConfiguredDType(folder);
  ChooseFormat(arguments.options, model);
  return model;
}

ModelSpec ReadSpec(const Arguments& arguments) {
  const std::filesystem::path folder = FindFolder(arguments);
  if (folder.empty()) return SpecFromShape(arguments.options.model.shape, arguments.config_file);
  return SpecOf(folder, arguments.options);
}

std::optional<DType> ReadStoredDType(const Arguments& arguments) {
  const std::filesystem::path folder = FindFolder(arguments);
  if (folder.empty()) return std::nullopt;
  try {
    return StoredDType(folder);
  } catch (const Error&) {  // a plan needs no weights, nor whole ones
    return ConfiguredDType(folder);
  }
}

std::int64_t HiddenLayerOf(const EmbedOptions& options, const ModelSpec& spec) {
  const std::int64_t layer = options.layer.value_or(spec.layer_count);
  if (layer > spec.layer_count)
    throw BadInput("embed: layer is {}; the model's are 0 to {}", layer, spec.layer_count);
  return layer;
}

std::filesystem::path TokenizerPlace(const std::string& path) {
  const std::filesystem::path place(path);
  std::error_code ignored;
  const bool is_path = place.is_absolute() || path.starts_with('.') || place.extension() == ".json";
  if (is_path || std::filesystem::exists(place, ignored)) return place;
  try {
    return ResolveModel(path);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    throw BadInput(
        "tokenizer {}: no such file or folder, and no model of that name in the local cache; give "
        "a tokenizer.json, a folder with one, or the name of a model that was downloaded",
        path);
  }
}

Tokenizer OpenTokenizer(const Options& options, const ModelFiles& model) {
  const std::string& path = options.model.tokenizer;
  if (path.empty() && model.folder.empty())
    throw BadInput(
        "model.tokenizer is not set, and random weights have no tokenizer beside them; set it to a "
        "folder, a tokenizer.json or a model's name");
  const std::filesystem::path place = path.empty() ? model.folder : TokenizerPlace(path);
  Tokenizer tokenizer = Tokenizer::Load(place);
  // Added tokens may lie past the model's rows: many were named without ever being trained. A text
  // that holds one is refused where it is read.
  if (tokenizer.vocab_size_without_added() > model.spec.vocab_rows)
    throw BadInput(
        "{}: the tokenizer has {} ids, but the model in {} has {} vocabulary rows; use the "
        "tokenizer that the model was trained with",
        place.string(), tokenizer.vocab_size_without_added(), model.folder.string(),
        model.spec.vocab_rows);
  return tokenizer;
}

}  // namespace lockstep
