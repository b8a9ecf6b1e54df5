#include "partition/model/config_json.h"

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "partition/checkpoint/foreign_weights.h"
#include "partition/checkpoint/formats/tensor_file.h"
#include "partition/model/architecture.h"
#include "partition/model/config_fields.h"

namespace lockstep {
namespace {

// Weights that another program quantised, or that transformers would quantise: either way other
// numbers than those of the file.
void RefuseQuantisation(const Json& config, std::string_view where) {
  for (const char* name : {"quantization_config", "compression_config"}) {
    const auto found = config.find(name);
    if (found == config.end() || found->is_null()) continue;
    std::string method = "no method";
    if (found->is_object()) {
      const auto named = found->find("quant_method");
      if (named != found->end() && named->is_string()) method = named->get<std::string>();
      for (const char* bits : {"load_in_8bit", "load_in_4bit"})
        if (method == "no method" && found->contains(bits)) method = "bitsandbytes";
    }
    throw BadInput(
        "{}: \"{}\" names {}: the model is meant to be quantised, which Lockstep does not do that "
        "way; {}; if the weights beside it are not quantised, remove \"{}\" from the file",
        where, name, Quoted(method), kQuantisedRemedy, name);
  }
}

// "gptj" (GPT-J), "gpt_neox" (GPT-NeoX, Pythia) or "gpt2" (GPT-2)
std::string SupportedTypes() {
  std::string text;
  for (std::size_t i = 0; i < kFamilies.size(); ++i) {
    const Architecture& architecture = ArchitectureOf(kFamilies[i]);
    text += i == 0 ? "" : i + 1 < kFamilies.size() ? ", " : " or ";
    text += fmt::format("\"{}\" ({})", architecture.model_type, architecture.models);
  }
  return text;
}

const Architecture& FindArchitecture(std::string_view model_type, std::string_view where) {
  for (const Family family : kFamilies)
    if (Name(family) == model_type) return ArchitectureOf(family);
  if (model_type.empty())
    throw BadInput("{}: names no model_type; expected {}", where, SupportedTypes());
  throw BadInput("{}: model_type \"{}\" is not supported; expected {}", where, model_type,
                 SupportedTypes());
}

}  // namespace

ModelSpec ParseConfigJson(std::string_view text, std::string_view where) {
  const Json object = ParseJson(text, where);
  if (!object.is_object()) throw BadInput("{}: expected a JSON object", where);
  const ConfigFields fields(object, where);
  const Architecture& architecture = FindArchitecture(fields.StringOr("model_type", ""), where);
  RefuseQuantisation(object, where);
  const ModelSpec spec = architecture.read_config(fields);
  Validate(spec, where);
  return spec;
}

ModelSpec LoadModelSpec(const std::filesystem::path& folder) {
  RefuseAdapterFolder(folder);
  const auto path = folder / "config.json";
  std::error_code ignored;
  if (std::filesystem::status(path, ignored).type() == std::filesystem::file_type::not_found)
    throw BadInput(
        "{}: no such file: {} is no model's folder; give one with config.json, the weights and a "
        "tokenizer",
        path.string(), Quoted(folder.string()));
  return ParseConfigJson(ReadFile(path), path.string());
}

}  // namespace lockstep
