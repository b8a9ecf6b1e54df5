#include "server/openapi/openapi.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

#include "server/openapi/openapi_text.inc"  // made of openapi.json

}  // namespace

std::string OpenApiDocument(std::int64_t vocab_size, std::int64_t vocab_rows) {
  // In the order in which it is written.
  auto document = nlohmann::ordered_json::parse(std::string_view(kText));
  auto& schemas = document.at("components").at("schemas");
  schemas.at("TokenId")["maximum"] = vocab_size - 1;
  schemas.at("PromptTokenId")["maximum"] = vocab_rows - 1;
  const auto bound_likeliest = [&](const char* schema, const char* field) {
    schemas.at(schema).at("properties").at(field)["maximum"] = std::min(vocab_size, vocab_rows);
  };
  bound_likeliest("CompletionRequest", "logprobs");
  bound_likeliest("CompletionRequest", "prompt_logprobs");
  bound_likeliest("ChatRequest", "top_logprobs");
  return document.dump(1);
}

}  // namespace lockstep
