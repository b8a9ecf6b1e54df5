#include "launcher/commands/requests.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "launcher/commands/json_lines.h"

namespace lockstep {
namespace {

// For what is written: members in the contract's order, floats in their shortest form.
using OutputJson = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool,
                                        std::int64_t, std::uint64_t, float>;

std::string Line(const OutputJson& object) {
  return object.dump(-1, ' ', false, OutputJson::error_handler_t::replace) + "\n";
}

OutputJson ToOutput(const Json& id) {
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_unsigned()) return id.get<std::uint64_t>();
  return id.get<std::int64_t>();
}

SamplingParams ReadSampling(const LineFields& line, SamplingParams params, std::uint64_t index) {
  const std::string& where = line.where();
  const Json& object = line.object();
  params.max_new_tokens = FindInt(object, "max_new_tokens", where).value_or(params.max_new_tokens);
  params.temperature = FindNumber(object, "temperature", where).value_or(params.temperature);
  params.top_k = FindInt(object, "top_k", where).value_or(params.top_k);
  params.top_p = FindNumber(object, "top_p", where).value_or(params.top_p);
  params.ignore_eos = FindBool(object, "ignore_eos", where).value_or(params.ignore_eos);
  const auto seed = line.Seed("seed");
  params.seed = seed.value_or(params.seed);
  params.stream = seed ? 0 : index;
  Validate(params, where);
  return params;
}

// Exactly one of the two: the text, or the tokens in its place.
struct TextOrTokens {
  std::string text;
  std::vector<std::int32_t> tokens;
};

TextOrTokens ReadTextOrTokens(const LineFields& line, std::string_view text_name) {
  const auto text = FindString(line.object(), text_name, line.where());
  const auto tokens = line.Tokens("tokens");
  if (text.has_value() == tokens.has_value())
    throw BadInput("{}: found {} \"{}\" {} \"tokens\"; expected one of them", line.where(),
                   text ? "both" : "neither", text_name, text ? "and" : "nor");
  if (tokens && tokens->empty())
    throw BadInput("{}: \"tokens\" is empty; expected at least one", line.where());
  if (text && text->empty())
    throw BadInput("{}: \"{}\" is empty; expected at least one character", line.where(), text_name);
  return {text.value_or(""), tokens.value_or(std::vector<std::int32_t>{})};
}

void CheckTokens(std::span<const std::int32_t> tokens, const ModelSpec& spec,
                 std::string_view where) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] >= spec.vocab_rows)
      throw BadInput("{}: token {} is {}; the model's ids are 0 to {}", where, i, tokens[i],
                     spec.vocab_rows - 1);
}

void RefuseNone(std::size_t count, std::string_view where) {
  if (count == 0) throw BadInput("{}: holds no lines; expected at least one request", where);
}

std::vector<std::int32_t> Encode(const Tokenizer& tokenizer, const std::string& text,
                                 std::string_view where) {
  try {
    return tokenizer.Encode(text);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", where, error.what()));
  }
}

}  // namespace

std::vector<GenerateRequest> ParseGenerateLines(std::string_view text, std::string_view where,
                                                const SamplingOptions& defaults) {
  std::vector<GenerateRequest> requests;
  ForEachLine(text, where, [&](std::string_view line, const std::string& place) {
    const LineFields fields(line, place,
                            {"prompt", "tokens", "id", "max_new_tokens", "temperature", "top_k",
                             "top_p", "seed", "stop", "ignore_eos"});
    GenerateRequest request;
    request.where = place;
    request.id = fields.Id(static_cast<std::int64_t>(requests.size()));
    TextOrTokens given = ReadTextOrTokens(fields, "prompt");
    request.request = {.prompt = std::move(given.text),
                       .tokens = std::move(given.tokens),
                       .sampling = ReadSampling(fields, defaults.params, requests.size()),
                       .stop = fields.Texts("stop").value_or(defaults.stop)};
    requests.push_back(std::move(request));
  });
  RefuseNone(requests.size(), where);
  return requests;
}

std::vector<ScoreRequest> ParseScoreLines(std::string_view text, std::string_view where) {
  std::vector<ScoreRequest> requests;
  ForEachLine(text, where, [&](std::string_view line, const std::string& place) {
    const LineFields fields(line, place, {"text", "tokens", "id"});
    TextOrTokens given = ReadTextOrTokens(fields, "text");
    requests.push_back({place, fields.Id(static_cast<std::int64_t>(requests.size())),
                        std::move(given.text), std::move(given.tokens)});
  });
  RefuseNone(requests.size(), where);
  return requests;
}

void Prepare(std::vector<GenerateRequest>& requests, const Tokenizer& tokenizer,
             const ModelSpec& spec) {
  for (GenerateRequest& one : requests) {
    TextRequest& request = one.request;
    if (request.tokens.empty()) {
      request.tokens = Encode(tokenizer, request.prompt, one.where);
    } else {
      request.prompt = tokenizer.Decode(request.tokens, SpecialTokens::kKeep);
    }
    CheckTokens(request.tokens, spec, one.where);
    if (static_cast<std::int64_t>(request.tokens.size()) >= spec.context_tokens)
      throw BadInput(
          "{}: the prompt has {} tokens; the model's context holds {}, of which at least one is "
          "for the continuation; shorten the prompt",
          one.where, request.tokens.size(), spec.context_tokens);
  }
}

void Prepare(std::vector<ScoreRequest>& requests, const Tokenizer* tokenizer,
             const ModelSpec& spec) {
  for (ScoreRequest& request : requests) {
    if (request.tokens.empty()) {
      LOCKSTEP_CHECK(tokenizer != nullptr, "{} has text", request.where);
      request.tokens = Encode(*tokenizer, request.text, request.where);
    }
    CheckTokens(request.tokens, spec, request.where);
    if (static_cast<std::int64_t>(request.tokens.size()) > spec.context_tokens)
      throw BadInput("{}: the text has {} tokens; the model's context holds {}; shorten the text",
                     request.where, request.tokens.size(), spec.context_tokens);
  }
}

bool HasText(const std::vector<ScoreRequest>& requests) {
  return std::any_of(requests.begin(), requests.end(),
                     [](const ScoreRequest& request) { return request.tokens.empty(); });
}

std::string FormatResult(const GenerateRequest& request, const TextResult& result) {
  return Line({{"id", ToOutput(request.id)},
               {"prompt", request.request.prompt},
               {"text", result.text},
               {"tokens", result.tokens},
               {"finish_reason", std::string(Name(result.finish))}});
}

std::string FormatScore(const ScoreRequest& request, const Score& score) {
  OutputJson logprobs = OutputJson::array({nullptr});
  OutputJson top = OutputJson::array({nullptr});
  for (const float logprob : score.logprobs) logprobs.push_back(logprob);
  for (const std::int32_t id : score.top) top.push_back(id);
  return Line({{"id", ToOutput(request.id)},
               {"tokens", request.tokens},
               {"logprobs", std::move(logprobs)},
               {"top", std::move(top)}});
}

}  // namespace lockstep
