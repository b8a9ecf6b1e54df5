#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "api/openai/api_reply.h"
#include "api/openai/api_request.h"

namespace lockstep {

// POST /v1/embeddings: a vector for each text, of the layer and with the pooling that the
// configuration names (embed.*).
struct EmbeddingRequest : ApiRequest {
  enum class Encoding : std::uint8_t { kFloat, kBase64 };
  Encoding encoding = Encoding::kFloat;
};

// Takes the four forms of prompts as "input". Throws ApiError with the status 400 or 404.
EmbeddingRequest ParseEmbedding(std::string_view body, const RequestRules& rules);

// The answer; there is no stream of it. The request stays the caller's and outlives it.
class EmbeddingReply : public ApiReply {
 public:
  EmbeddingReply(const EmbeddingRequest& request, std::string model)
      : request_(request), model_(std::move(model)) {}

  std::string Whole(std::span<const TextResult> results) const override;
  std::string Chunk(std::size_t, const KeptPiece&) override { return ""; }
  std::string UsageChunk() const override { return ""; }

 private:
  const EmbeddingRequest& request_;
  std::string model_;
};

// RFC 4648, with padding.
std::string Base64(std::span<const unsigned char> bytes);

}  // namespace lockstep
