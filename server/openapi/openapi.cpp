#include "server/openapi/openapi.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

#include "server/openapi/openapi_text.inc"  // made of openapi.json

}  // namespace

std::string OpenApiDocument(std::int64_t vocab_size) {
  // In the order in which it is written.
  auto document = nlohmann::ordered_json::parse(std::string_view(kText));
  document.at("components").at("schemas").at("TokenId")["maximum"] = vocab_size - 1;
  return document.dump(1);
}

}  // namespace lockstep
