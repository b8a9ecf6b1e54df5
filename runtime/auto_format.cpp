#include "runtime/auto_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "core/files/file.h"
#include "core/json.h"
#include "core/log.h"
#include "partition/checkpoint/checkpoint.h"
#include "runtime/load_model.h"
#include "runtime/memory/memory_need.h"
#include "runtime/rank_device.h"

namespace lockstep {
namespace {

bool HasSixteenBits(std::optional<DType> stored) {
  return stored == DType::kF16 || stored == DType::kBF16;
}

std::string CheckpointText(const FormatFacts& facts) {
  if (!facts.stored) return "no checkpoint says otherwise";
  return fmt::format("checkpoint is {}", Name(*facts.stored));
}

// With a cache of 16 bits that is stated the weights follow it: GPUs have both alike.
FormatDecision OnGpus(const FormatFacts& facts) {
  const std::string is = CheckpointText(facts);
  if (facts.cache_dtype == DType::kF16)
    return {WeightFormat::kF16, is + "; model.cache_dtype is fp16"};
  if (facts.cache_dtype == DType::kBF16)
    return {WeightFormat::kBF16, is + "; model.cache_dtype is bf16"};
  if (facts.stored == DType::kF16) return {WeightFormat::kF16, is};
  if (facts.stored == DType::kBF16) return {WeightFormat::kBF16, is};
  return {WeightFormat::kBF16, is + "; GPUs compute in 16 bits"};
}

FormatDecision OnProcessors(const FormatFacts& facts) {
  const std::string is = CheckpointText(facts);
  if (!HasSixteenBits(facts.stored)) return {WeightFormat::kF32, is};
  if (facts.multiplies_bf16)
    return {WeightFormat::kBF16, is + (facts.ranks == 1 ? "; this processor multiplies bf16"
                                                        : "; all ranks' processors multiply bf16")};
  return {WeightFormat::kF32,
          is + (facts.ranks == 1 ? "; this processor has no instructions for bf16"
                                 : "; not every rank's processor has instructions for bf16")};
}

// Vectors, such as norms, are kept apart in fp32 by some.
DType DTypeOfMost(const Checkpoint& checkpoint) {
  std::map<DType, std::int64_t> elements;
  for (const TensorInfo& tensor : checkpoint.tensors())
    elements[tensor.dtype] += tensor.shape.elements();
  const auto most =
      std::ranges::max_element(elements, {}, [](const auto& count) { return count.second; });
  return most == elements.end() ? DType::kF32 : most->first;
}

DeviceRequest RequestFor(const Options& options, std::optional<DType> stored) {
  const FormatDecision gpu = OnGpus({.stored = stored, .cache_dtype = options.model.cache_dtype});
  return DeviceRequestOf(options, gpu.format, 1);
}

bool OnAllRanks(ControlPlane& world, bool here) {
  const auto mine = static_cast<std::byte>(here ? 1 : 0);
  return std::ranges::all_of(world.AllGather({&mine, 1}), [](const auto& theirs) {
    return theirs.size() == 1 && theirs[0] == static_cast<std::byte>(1);
  });
}

}  // namespace

FormatDecision DecideFormat(const FormatFacts& facts) {
  return facts.on_gpus ? OnGpus(facts) : OnProcessors(facts);
}

std::optional<DType> StoredDType(const std::filesystem::path& folder) {
  if (MappedBytes(folder) > 0.0) return DTypeOfMost(Checkpoint::Open(folder));
  return ConfiguredDType(folder);
}

std::optional<DType> ConfiguredDType(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  const Json config = ParseJson(ReadFile(file), file.string());
  static const std::map<std::string, DType, std::less<>> kWords = {
      {"float32", DType::kF32}, {"float16", DType::kF16}, {"bfloat16", DType::kBF16}};
  for (const char* key : {"dtype", "torch_dtype"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_string()) continue;
    const auto word = kWords.find(found->get<std::string>());
    if (word != kWords.end()) return word->second;
  }
  return std::nullopt;
}

FormatDecision FormatHere(const Options& options, std::optional<DType> stored, int ranks) {
  if (!options.model.dtype.is_auto()) return {*options.model.dtype.format, "as stated"};
  return DecideFormat({.stored = stored,
                       .on_gpus = GpusHere(RequestFor(options, stored), ranks),
                       .multiplies_bf16 = MultipliesBf16(options.engine.backend),
                       .cache_dtype = options.model.cache_dtype,
                       .ranks = ranks});
}

std::string FormatText(const FormatDecision& decision) {
  return fmt::format("dtype: {} ({})", Name(decision.format), decision.why);
}

void AgreeOnFormat(const Options& options, ModelFiles& model, ControlPlane& world) {
  if (!options.model.dtype.is_auto()) return;
  const bool on_gpus = GpusEverywhere(RequestFor(options, model.stored), world);
  const FormatDecision decision =
      DecideFormat({.stored = model.stored,
                    .on_gpus = on_gpus,
                    .multiplies_bf16 = OnAllRanks(world, MultipliesBf16(options.engine.backend)),
                    .cache_dtype = options.model.cache_dtype,
                    .ranks = world.size()});
  model.format = decision.format;
  if (world.rank() == 0) WriteLog(LogLevel::kInfo, FormatText(decision));
}

}  // namespace lockstep
