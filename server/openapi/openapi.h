#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

// The description of the server's interface by OpenAPI 3.1: openapi.json of this folder, with the
// ids that a tokenizer of `vocab_size` tokens and a model of `vocab_rows` rows have.
std::string OpenApiDocument(std::int64_t vocab_size, std::int64_t vocab_rows);

}  // namespace lockstep
