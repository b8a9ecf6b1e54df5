#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

// Throws BadInput when one of the names is of a kind that other programs write in place of a weight
// matrix: quantised ones (GPTQ, AWQ, bitsandbytes, …) and parts of adapters (LoRA). The message
// says which, and what to do.
//   where  the file, for messages
void RefuseForeignWeights(std::span<const std::string> names, std::string_view where);

// Throws BadInput for a folder of an adapter: what adapter_config.json changes would be left out.
void RefuseAdapterFolder(const std::filesystem::path& folder);

// What a quantised class or storage that a pickle names belongs to ("bitsandbytes"); empty for all
// others.
std::string_view QuantiserOf(std::string_view name);

// What to do with weights that another program has quantised, for messages.
inline constexpr std::string_view kQuantisedRemedy =
    "Lockstep quantises by itself: take the model's own fp32, fp16 or bf16 weights, with --dtype "
    "int8 or int4, or fp8 on GPUs";

}  // namespace lockstep
