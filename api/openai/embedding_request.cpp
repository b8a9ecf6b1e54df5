#include "api/openai/embedding_request.h"

#include <bit>
#include <vector>

#include "api/openai/request_fields.h"
#include "core/error.h"

namespace lockstep {
namespace {

EmbeddingRequest::Encoding ReadEncoding(const Json& object) {
  const Json* format = FindField(object, "encoding_format");
  if (format == nullptr || *format == "float") return EmbeddingRequest::Encoding::kFloat;
  if (*format == "base64") return EmbeddingRequest::Encoding::kBase64;
  throw ApiError(
      400,
      fmt::format("encoding_format is {}; expected \"float\" or \"base64\"", ShownJson(*format)),
      "encoding_format");
}

LineRequest ReadText(const Json& text, std::size_t index, const RequestRules& rules) {
  Json line = Json::object();
  line[text.is_string() ? "text" : "tokens"] = text;
  LineRequest request = ParseLine(Task::kEmbed, DumpJson(line), fmt::format("input {}", index),
                                  static_cast<std::int64_t>(index), rules.defaults);
  request.request.client = rules.client;
  Prepare(request, &rules.tokenizer, rules.spec);
  return request;
}

Json VectorOf(const std::vector<float>& values, EmbeddingRequest::Encoding encoding) {
  if (encoding == EmbeddingRequest::Encoding::kFloat) return values;
  static_assert(std::endian::native == std::endian::little, "clients expect little endian");
  return Base64(
      {reinterpret_cast<const unsigned char*>(values.data()), values.size() * sizeof(float)});
}

}  // namespace

EmbeddingRequest ParseEmbedding(std::string_view body, const RequestRules& rules) {
  EmbeddingRequest request;
  ReadInClientsTerms(body, rules, {{}, "input"}, [&](const Json& object) {
    if (FindField(object, "dimensions") != nullptr)
      throw ApiError(400, "dimensions is not supported: the model's vectors have one length",
                     "dimensions");
    request.encoding = ReadEncoding(object);
    const std::vector<Json> texts = PromptsOf(object, "input");
    for (std::size_t i = 0; i < texts.size(); ++i)
      request.prompts.push_back(ReadText(texts[i], i, rules));
  });
  return request;
}

std::string EmbeddingReply::Whole(std::span<const TextResult> results) const {
  Json data = Json::array();
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    data.push_back({{"object", "embedding"},
                    {"index", i},
                    {"embedding", VectorOf(results[i].embedding, request_.encoding)}});
    tokens += std::ssize(request_.prompts[i].request.tokens);
  }
  return DumpJson({{"object", "list"},
                   {"data", std::move(data)},
                   {"model", model_},
                   {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

std::string Base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      text += k <= count ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace lockstep
