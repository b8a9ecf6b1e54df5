#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "comm/control_plane.h"
#include "core/numbers/dtype.h"
#include "core/numbers/weight_format.h"
#include "runtime/model_files.h"
#include "runtime/options/options.h"

namespace lockstep {

// What `--dtype auto` comes to: the checkpoint's 16 bits stay 16 bits where what computes is fast
// at them, and everything else becomes fp32. int8, int4 and fp8 are never chosen.

struct FormatFacts {
  std::optional<DType> stored = {};       // what most of the checkpoint's weights are
  bool on_gpus = false;                   // of all ranks
  bool multiplies_bf16 = false;           // every rank's processor, by instructions for it
  std::optional<DType> cache_dtype = {};  // model.cache_dtype
  int ranks = 1;
};
struct FormatDecision {
  WeightFormat format = WeightFormat::kF32;
  std::string why;  // "checkpoint is fp16; this processor multiplies bf16"
};
FormatDecision DecideFormat(const FormatFacts& facts);

// What most of a folder's weights are stored in; without weights, what its config.json says. Reads
// the headers of the files. Throws BadInput, or EnvironmentError, where a file is damaged.
std::optional<DType> StoredDType(const std::filesystem::path& folder);

// What the config.json of a folder says that its weights are; nothing where it says none of theirs.
std::optional<DType> ConfiguredDType(const std::filesystem::path& folder);

// The format of a model with these weights as far as this process sees it: the one that is stated,
// or the one that auto comes to for so many ranks on this host. May open the CUDA module, to look
// for GPUs.
FormatDecision FormatHere(const Options& options, std::optional<DType> stored, int ranks);

// "dtype: bf16 (checkpoint is fp16; this processor multiplies bf16)"
std::string FormatText(const FormatDecision& decision);

// Makes model.format the same on every rank where it is left to auto: ranks on a slower host have a
// say. Rank 0 tells the user. Collective over the world.
void AgreeOnFormat(const Options& options, ModelFiles& model, ControlPlane& world);

}  // namespace lockstep
