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

// What a number of a line is when the line does not say it.
struct Numbers {
  const LineFields& line;

  void Read(const char* name, std::int64_t& value) const {
    value = FindInt(line.object(), name, line.where()).value_or(value);
  }
  void Read(const char* name, double& value) const {
    value = FindNumber(line.object(), name, line.where()).value_or(value);
  }
  void Read(const char* name, bool& value) const {
    value = FindBool(line.object(), name, line.where()).value_or(value);
  }
  void Read(const char* name, std::optional<std::int64_t>& value) const {
    if (const auto found = FindInt(line.object(), name, line.where())) value = found;
  }
};

SamplingParams ReadSampling(const LineFields& line, SamplingParams params, std::int64_t index) {
  const Numbers numbers{line};
  numbers.Read("max_new_tokens", params.max_new_tokens);
  numbers.Read("temperature", params.temperature);
  numbers.Read("top_k", params.top_k);
  numbers.Read("top_p", params.top_p);
  numbers.Read("min_p", params.min_p);
  numbers.Read("repetition_penalty", params.repetition_penalty);
  numbers.Read("presence_penalty", params.presence_penalty);
  numbers.Read("frequency_penalty", params.frequency_penalty);
  numbers.Read("min_tokens", params.min_tokens);
  numbers.Read("ignore_eos", params.ignore_eos);
  const auto seed = line.Seed("seed");
  params.seed = seed.value_or(params.seed);
  params.stream = seed ? 0 : static_cast<std::uint64_t>(index);
  params.logit_bias = line.Biases("logit_bias").value_or(params.logit_bias);
  params.allowed_tokens = line.Tokens("allowed_token_ids").value_or(params.allowed_tokens);
  params.banned_tokens = line.Tokens("banned_token_ids").value_or(params.banned_tokens);
  params.stop_tokens = line.Tokens("stop_token_ids").value_or(params.stop_tokens);
  Validate(params, line.where());
  return params;
}

BeamOptions ReadBeams(const LineFields& line, BeamOptions beams) {
  const Numbers numbers{line};
  numbers.Read("num_beams", beams.num_beams);
  numbers.Read("length_penalty", beams.length_penalty);
  const auto found = line.object().find("early_stopping");
  if (found == line.object().end()) return beams;
  if (found->is_boolean()) {
    beams.early_stopping = found->get<bool>() ? EarlyStopping::kTrue : EarlyStopping::kFalse;
  } else if (*found == "never") {
    beams.early_stopping = EarlyStopping::kNever;
  } else {
    throw BadInput("{}: \"early_stopping\" is {}; expected true, false or \"never\"", line.where(),
                   DumpJson(*found));
  }
  return beams;
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

GenerateRequest ParseGenerateLine(std::string_view line, const std::string& where,
                                  std::int64_t index, const SamplingOptions& defaults) {
  const LineFields fields(line, where,
                          {"prompt",
                           "tokens",
                           "id",
                           "max_new_tokens",
                           "temperature",
                           "top_k",
                           "top_p",
                           "min_p",
                           "seed",
                           "stop",
                           "ignore_eos",
                           "repetition_penalty",
                           "presence_penalty",
                           "frequency_penalty",
                           "logit_bias",
                           "allowed_token_ids",
                           "banned_token_ids",
                           "min_tokens",
                           "stop_token_ids",
                           "n",
                           "best_of",
                           "num_beams",
                           "length_penalty",
                           "early_stopping",
                           "logprobs",
                           "prompt_logprobs",
                           "priority"});
  TextOrTokens given = ReadTextOrTokens(fields, "prompt");
  GenerateRequest request{.where = where, .id = fields.Id(index), .request = {}};
  TextRequest& text = request.request;
  text.prompt = std::move(given.text);
  text.tokens = std::move(given.tokens);
  text.sampling = ReadSampling(fields, defaults.params, index);
  text.stop = fields.Texts("stop").value_or(defaults.stop);
  text.n = defaults.n;
  text.best_of = defaults.best_of;
  text.beams = ReadBeams(fields, defaults.beams);
  text.logprobs = defaults.logprobs;
  const Numbers numbers{fields};
  numbers.Read("n", text.n);
  numbers.Read("best_of", text.best_of);
  numbers.Read("logprobs", text.logprobs);
  numbers.Read("prompt_logprobs", text.prompt_logprobs);
  numbers.Read("priority", text.priority);
  constexpr std::int64_t kMostPriority = 1'000'000;
  if (text.priority < -kMostPriority || text.priority > kMostPriority)
    throw BadInput("{}: priority is {}; expected {} to {}", where, text.priority, -kMostPriority,
                   kMostPriority);
  ValidateSamples(text, where);
  return request;
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

void Prepare(GenerateRequest& one, const Tokenizer& tokenizer, const ModelSpec& spec) {
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

namespace {

// Adds "<prefix>logprobs", one for each token, and "<prefix>top_logprobs", [[id, logprob], ...] for
// each, where these were asked for.
void AddLogprobs(const std::vector<TokenLogprob>& tokens, const std::string& prefix,
                 OutputJson first, OutputJson& record) {
  OutputJson logprobs = first, tops = std::move(first);
  bool any = false;
  for (const TokenLogprob& one : tokens) {
    logprobs.push_back(one.logprob);
    OutputJson top = OutputJson::array();
    for (const auto& [id, logprob] : one.likeliest) top.push_back(OutputJson::array({id, logprob}));
    any = any || !one.likeliest.empty();
    tops.push_back(std::move(top));
  }
  record[prefix + "logprobs"] = std::move(logprobs);
  if (any) record[prefix + "top_logprobs"] = std::move(tops);
}

void AddSample(const TextSample& sample, bool logprobs, OutputJson& record) {
  record["text"] = sample.text;
  record["tokens"] = sample.tokens;
  record["finish_reason"] = std::string(Name(sample.finish));
  if (sample.score) record["score"] = *sample.score;
  if (logprobs) AddLogprobs(sample.logprobs, "", OutputJson::array(), record);
}

}  // namespace

std::string FormatResult(const GenerateRequest& request, const TextResult& result) {
  const TextRequest& asked = request.request;
  OutputJson record = {{"id", ToOutput(request.id)}, {"prompt", asked.prompt}};
  if (asked.prompt_logprobs)
    AddLogprobs(result.prompt_logprobs, "prompt_", OutputJson::array({nullptr}), record);
  if (asked.n == 1) {
    AddSample(result.samples.front(), asked.logprobs.has_value(), record);
    return Line(record);
  }
  OutputJson& samples = record["samples"] = OutputJson::array();
  for (const TextSample& sample : result.samples) {
    OutputJson one = OutputJson::object();
    AddSample(sample, asked.logprobs.has_value(), one);
    samples.push_back(std::move(one));
  }
  return Line(record);
}

std::string FormatError(std::string_view line, std::int64_t index, std::string_view message) {
  OutputJson id = index;
  const Json object = Json::parse(line, nullptr, false);
  if (object.is_object() && object.contains("id"))
    if (const Json& given = object["id"]; given.is_string() || given.is_number_integer())
      id = ToOutput(given);
  return Line({{"id", std::move(id)}, {"error", std::string(message)}});
}

std::string FormatError(const Json& id, std::string_view message) {
  return Line({{"id", ToOutput(id)}, {"error", std::string(message)}});
}

std::string FormatEmbedding(const Json& id, std::span<const float> vector) {
  OutputJson values = OutputJson::array();
  for (const float value : vector) values.push_back(value);
  return Line({{"id", ToOutput(id)}, {"embedding", std::move(values)}});
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
