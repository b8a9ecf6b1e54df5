#include "launcher/commands/generation_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "core/file.h"

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

}  // namespace

GenerationConfig ReadGenerationConfig(const std::filesystem::path& folder) {
  auto path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) path = folder / "config.json";
  GenerationConfig config{path.string(), ParseJson(ReadFile(path), path.string())};
  if (!config.values.is_object()) throw BadInput("{}: expected a JSON object", config.where);
  return config;
}

std::vector<std::int32_t> EndTokens(const GenerationConfig& config, std::int64_t vocab_rows) {
  std::vector<std::int32_t> tokens;
  const auto found = config.values.find(kEndTokens);
  if (found == config.values.end() || found->is_null()) return tokens;
  const Json list = found->is_array() ? *found : Json::array({*found});
  for (const Json& one : list) {
    const auto token = TokenIn(one, vocab_rows, config.where);
    if (token && std::find(tokens.begin(), tokens.end(), *token) == tokens.end())
      tokens.push_back(*token);
  }
  return tokens;
}

}  // namespace lockstep
