#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/numbers/dtype.h"
#include "core/numbers/weight_format.h"
#include "partition/model/model_spec.h"
#include "runtime/generation_config.h"
#include "runtime/options/arguments.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// What is known of a model before any weight is read.
struct ModelFiles {
  std::filesystem::path folder;
  ModelSpec spec;
  GenerationConfig generation;
  // Set where the weights are random ones of this seed: then there may be no folder.
  std::optional<std::uint64_t> random_seed;
  std::optional<DType> stored;  // what most weights of the checkpoint are, where that decides
  // What the matrices are kept in: model.dtype, or what auto comes to on this host. The ranks of a
  // world make it one (AgreeOnFormat()).
  WeightFormat format = WeightFormat::kF32;
};

// Finds the model, reads its configuration and compares it with options.model.shape.
// Throws BadInput.
ModelFiles OpenModel(const Options& options);

// The same where arguments.weights asks for the checkpoint's weights. Where it allows random ones
// the shape of a configuration does, as for ReadSpec().
ModelFiles OpenModel(const Arguments& arguments);

// For plan: the checkpoint's config.json; where a configuration states a shape and its checkpoint
// is not on this machine, that shape.
ModelSpec ReadSpec(const Arguments& arguments);

// For plan, too: what that model's checkpoint is stored in; nothing where it is not here.
std::optional<DType> ReadStoredDType(const Arguments& arguments);

// The layer that vectors are taken from: embed.layer, or else the last. Throws BadInput where the
// model has no such layer.
std::int64_t HiddenLayerOf(const EmbedOptions& options, const ModelSpec& spec);

// Where the tokenizer of model.tokenizer is: a folder or a tokenizer.json as it is written, else
// that of the model of this name, as for model.path. Throws BadInput where there is no such model.
std::filesystem::path TokenizerPlace(const std::string& path);

// Throws BadInput when it is missing, or has ids that the model has no rows for.
Tokenizer OpenTokenizer(const Options& options, const ModelFiles& model);

}  // namespace lockstep
