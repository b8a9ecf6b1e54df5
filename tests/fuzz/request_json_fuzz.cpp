// Lines of generate's, score's and embed's input come from anywhere: each gives a request that
// keeps within its ranges and an answer that is JSON, or BadInput.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/records.h"
#include "api/requests.h"
#include "core/error.h"
#include "core/json.h"
#include "tests/support/byte_tokenizer.h"

namespace {

using namespace lockstep;

void Require(bool holds) {
  if (!holds) std::abort();
}

const Tokenizer& Letters() {
  static const Tokenizer tokenizer = Tokenizer::FromJson(ByteTokenizerJson(90), "test");
  return tokenizer;
}

constexpr std::size_t kContextTokens = 64;

ModelSpec SmallModel() {
  ModelSpec spec;
  spec.vocab_rows = 100;
  spec.context_tokens = kContextTokens;
  return spec;
}

void TryGenerate(std::string_view line, UnknownFields unknown) {
  Options options;
  options.input.unknown_fields = unknown;
  options.sampling.max_length = 32;
  LineRequest request = ParseGenerateLine(line, "fuzz:1", 3, options);
  Prepare(request, &Letters(), SmallModel());
  Validate(request.request.sampling, "fuzz");
  ValidateSamples(request.request, "fuzz");
  Require(!request.request.tokens.empty() && request.request.tokens.size() < kContextTokens);
  TextResult result;
  for (std::int64_t i = 0; i < request.request.n; ++i) result.samples.emplace_back();
  const Json answer = ParseJson(FormatResult(request, result), "answer");
  Require(answer.at("id") == request.id && answer.contains("prompt"));
}

void TryScoreOrEmbed(Task task, std::string_view line, UnknownFields unknown) {
  Options options;
  options.input.unknown_fields = unknown;
  LineRequest request = ParseLine(task, line, "fuzz:1", 3, options);
  Prepare(request, &Letters(), SmallModel());
  const auto& tokens = request.request.tokens;
  const auto given =
      static_cast<std::size_t>(std::max<std::int64_t>(1, request.request.context_tokens));
  // The last token of a score is looked for in what the model says, and not read by it.
  const std::size_t read = tokens.size() - (task == Task::kScore ? 1 : 0);
  Require(given <= tokens.size() && read <= kContextTokens);
  TextResult result;
  for (std::size_t i = given; i < tokens.size(); ++i)
    result.prompt_logprobs.push_back({.token = tokens[i], .logprob = -1.0f, .likeliest = {}});
  const Json answer = ParseJson(FormatResult(request, result), "answer");
  Require(answer.at("id") == request.id);
  Require(answer.contains(task == Task::kScore ? "logprobs" : "embedding"));
}

}  // namespace

// The first byte says what reads the rest.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto unknown = (data[0] & 2) != 0 ? UnknownFields::kPassThrough : UnknownFields::kRefuse;
  try {
    if ((data[0] & 1) != 0)
      TryScoreOrEmbed((data[0] & 4) != 0 ? Task::kEmbed : Task::kScore, line, unknown);
    else
      TryGenerate(line, unknown);
  } catch (const Error& error) {
    Require(error.code() == ExitCode::kBadInput);
    const std::string record = FormatError(line, 3, error.what());
    Require(ParseJson(record, "record").contains("error"));
  }
  return 0;
}
