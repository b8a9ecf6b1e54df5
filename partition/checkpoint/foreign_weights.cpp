#include "partition/checkpoint/foreign_weights.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMerge =
    "merge it into its base model (PEFT's merge_and_unload(), then save_pretrained()) and give "
    "Lockstep the result";

struct Mark {
  std::string_view text;
  std::string_view program;
};

// At the end of a tensor's name.
constexpr std::array kQuantisedEnds = {
    Mark{".qweight", "GPTQ or AWQ"},
    Mark{".qzeros", "GPTQ or AWQ"},
    Mark{".scales", "GPTQ or AWQ"},
    Mark{".g_idx", "GPTQ"},
    Mark{".absmax", "bitsandbytes"},
    Mark{".nested_absmax", "bitsandbytes"},
    Mark{".quant_map", "bitsandbytes"},
    Mark{".nested_quant_map", "bitsandbytes"},
    Mark{".SCB", "bitsandbytes"},
    Mark{".weight_format", "bitsandbytes"},
    Mark{".weight_packed", "compressed-tensors"},
    Mark{".weight_scale", "compressed-tensors or fp8"},
    Mark{".weight_scale_inv", "fp8"},
    Mark{".weight_zero_point", "compressed-tensors"},
    Mark{".input_scale", "fp8"},
    Mark{".weight._data", "quanto"},
    Mark{".weight._scale", "quanto"},
    Mark{".W_q", "HQQ"},
    Mark{".codebooks", "AQLM"},
};

// Anywhere in it.
constexpr std::array kQuantisedParts = {
    Mark{".quant_state.", "bitsandbytes"},
    Mark{"._packed_params", "PyTorch"},
};
constexpr std::array kAdapterParts = {
    Mark{".lora_A.", "LoRA"},
    Mark{".lora_B.", "LoRA"},
    Mark{".lora_embedding_", "LoRA"},
    Mark{".lora_magnitude_vector", "DoRA"},
    Mark{".base_layer.", "LoRA"},
    Mark{".ia3_l", "IA3"},
    Mark{"prompt_embeddings", "prompt tuning"},
};

// In the name of a class or storage that a pickle asks for.
constexpr std::array kQuantisedClasses = {
    Mark{"bitsandbytes.", "bitsandbytes"},
    Mark{"torchao.", "torchao"},
    Mark{"quanto.", "quanto"},
    Mark{"auto_gptq.", "GPTQ"},
    Mark{"gptqmodel.", "GPTQ"},
    Mark{"awq.", "AWQ"},
    Mark{"hqq.", "HQQ"},
    Mark{"_rebuild_qtensor", "PyTorch"},
    Mark{"_rebuild_wrapper_subclass", "torchao"},
    Mark{"QInt8Storage", "PyTorch"},
    Mark{"QUInt8Storage", "PyTorch"},
    Mark{"QInt32Storage", "PyTorch"},
    Mark{"QUInt4x2Storage", "PyTorch"},
    Mark{"QUInt2x4Storage", "PyTorch"},
    Mark{"torch.ao.", "PyTorch"},
    Mark{"torch.nn.quantized", "PyTorch"},
    Mark{"torch.per_tensor_affine", "PyTorch"},
    Mark{"torch.per_channel_affine", "PyTorch"},
};

std::string_view ProgramOf(std::string_view name, std::span<const Mark> marks, auto&& matches) {
  for (const Mark& mark : marks)
    if (matches(name, mark.text)) return mark.program;
  return "";
}

bool EndsWith(std::string_view name, std::string_view text) { return name.ends_with(text); }
bool Contains(std::string_view name, std::string_view text) {
  return name.find(text) != std::string_view::npos;
}

std::string_view QuantiserOfTensor(std::string_view name) {
  const std::string_view by_end = ProgramOf(name, kQuantisedEnds, EndsWith);
  return by_end.empty() ? ProgramOf(name, kQuantisedParts, Contains) : by_end;
}

// The base model that an adapter_config.json names, for the message; it may be of any form.
std::string BaseModel(const fs::path& config) {
  const Json json = ParseJson(ReadFile(config), config.string());
  const auto name = FindString(json, "base_model_name_or_path", config.string());
  return name && !name->empty() ? " for the base model " + Quoted(*name) : "";
}

}  // namespace

void RefuseForeignWeights(std::span<const std::string> names, std::string_view where) {
  for (const std::string& name : names) {
    if (const auto program = QuantiserOfTensor(name); !program.empty())
      throw BadInput("{}: the tensor {} is one of weights quantised by {}; {}", where, Quoted(name),
                     program, kQuantisedRemedy);
    if (const auto kind = ProgramOf(name, kAdapterParts, Contains); !kind.empty())
      throw BadInput("{}: the tensor {} is part of an adapter ({}), not of a model; {}", where,
                     Quoted(name), kind, kMerge);
  }
}

void RefuseAdapterFolder(const fs::path& folder) {
  const fs::path config = folder / "adapter_config.json";
  if (FileExists(config))
    throw BadInput(
        "{}: the folder holds an adapter (LoRA or the like){}, which would be left out; {}",
        config.string(), BaseModel(config), kMerge);
  for (const char* file : {"adapter_model.safetensors", "adapter_model.bin"})
    if (FileExists(folder / file) && !FileExists(folder / "config.json"))
      throw BadInput("{}: the folder holds an adapter (LoRA or the like) and no model; {}",
                     (folder / file).string(), kMerge);
}

std::string_view QuantiserOf(std::string_view name) {
  return ProgramOf(name, kQuantisedClasses, Contains);
}

}  // namespace lockstep
