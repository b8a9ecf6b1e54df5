#include "runtime/generation_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "core/files/file.h"
#include "partition/model/architecture.h"

namespace lockstep {
namespace {

constexpr const char* kEndTokens = "eos_token_id";

// An id, if the vocabulary has it. Some programs write all numbers as 3.0.
std::optional<std::int32_t> TokenIn(const Json& value, std::int64_t vocab_rows,
                                    std::string_view where) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(std::floor(number) == number))
    throw BadInput("{}: \"{}\" has {} in it; expected a token id or a list of token ids", where,
                   kEndTokens, DumpJson(value));
  if (number < 0.0 || number >= static_cast<double>(vocab_rows)) return std::nullopt;
  return static_cast<std::int32_t>(number);
}

struct JsonFile {
  std::string where;
  Json values;
};

JsonFile ReadObject(const std::filesystem::path& path) {
  JsonFile file{path.string(), ParseJson(ReadFile(path), path.string())};
  if (!file.values.is_object()) throw BadInput("{}: expected a JSON object", file.where);
  return file;
}

// A config.json without the key has the end token of its class, as in transformers; a
// generation_config.json without it has none.
JsonFile ReadFileOf(const std::filesystem::path& folder, Family family) {
  const auto path = folder / "generation_config.json";
  if (FileExists(path)) return ReadObject(path);
  JsonFile file = ReadObject(folder / "config.json");
  if (!file.values.contains(kEndTokens))
    file.values[kEndTokens] = ArchitectureOf(family).default_end_token;
  return file;
}

JsonFile ReadChosen(const std::filesystem::path& choice) {
  std::error_code ignored;
  if (std::filesystem::is_directory(choice, ignored))
    return ReadObject(choice / "generation_config.json");
  if (!std::filesystem::exists(choice, ignored))
    throw BadInput(
        "model.generation_config is {}, and there is no such file; expected auto, none (nothing of "
        "the model), a generation_config.json or the folder of one",
        choice.string());
  return ReadObject(choice);
}

}  // namespace

GenerationConfig ReadGenerationConfig(const std::filesystem::path& folder, std::string_view choice,
                                      const ModelSpec& spec) {
  JsonFile file = ReadFileOf(folder, spec.family);
  GenerationConfig config{file.where, Json::object(),
                          EndTokens(file.values, file.where, spec.vocab_rows)};
  if (choice == "none") return config;
  if (choice != "auto") {
    file = ReadChosen(choice);
    config.where = file.where;
    if (file.values.contains(kEndTokens))
      config.end_tokens = EndTokens(file.values, file.where, spec.vocab_rows);
  }
  config.values = std::move(file.values);
  return config;
}

std::vector<std::int32_t> EndTokens(const Json& config, std::string_view where,
                                    std::int64_t vocab_rows) {
  std::vector<std::int32_t> tokens;
  const auto found = config.find(kEndTokens);
  if (found == config.end() || found->is_null()) return tokens;
  const Json list = found->is_array() ? *found : Json::array({*found});
  for (const Json& one : list) {
    const auto token = TokenIn(one, vocab_rows, where);
    if (token && std::find(tokens.begin(), tokens.end(), *token) == tokens.end())
      tokens.push_back(*token);
  }
  return tokens;
}

}  // namespace lockstep
