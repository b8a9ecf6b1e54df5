#include "api/requests.h"

#include <algorithm>
#include <iterator>

#include "api/json_lines.h"
#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

// For what is written: members in the contract's order, floats in their shortest form.
using OutputJson = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool,
                                        std::int64_t, std::uint64_t, float>;

std::string Text(const OutputJson& object) {
  return object.dump(-1, ' ', false, OutputJson::error_handler_t::replace);
}

std::string Line(const OutputJson& object) { return Text(object) + "\n"; }

OutputJson ToOutput(const Json& id) {
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_unsigned()) return id.get<std::uint64_t>();
  return id.get<std::int64_t>();
}

// The members of an object that was made of JSON, behind what a record has already.
std::string WithPassed(std::string line, const Json& passed) {
  if (passed.empty()) return line;
  line.resize(line.size() - 2);  // without "}\n"
  return line + "," + DumpJson(passed).substr(1) + "\n";
}

constexpr std::string_view kSampling = "sampling.";
constexpr std::int64_t kMostPriority = 1'000'000;

// The keys of the configuration that a line can set for itself.
const std::vector<const OptionKey*>& SamplingKeys() {
  static const std::vector<const OptionKey*> keys = [] {
    std::vector<const OptionKey*> found;
    for (const OptionKey& key : OptionTable())
      if (key.path.starts_with(kSampling)) found.push_back(&key);
    return found;
  }();
  return keys;
}

std::string FieldOf(const OptionKey& key) { return key.path.substr(kSampling.size()); }

LineRules RulesOfGenerate(UnknownFields unknown) {
  static const LineRules rules = [] {
    LineRules made{.known = {"prompt", "tokens", "id", "logit_bias", "allowed_token_ids",
                             "banned_token_ids", "stop_token_ids", "prompt_logprobs", "priority"},
                   .answer = {"text", "finish_reason", "score", "samples", "error", "top_logprobs",
                              "prompt_top_logprobs"}};
    for (const OptionKey* key : SamplingKeys()) made.known.push_back(FieldOf(*key));
    return made;
  }();
  LineRules wanted = rules;
  wanted.unknown = unknown;
  return wanted;
}

// What a line says by the names of the configuration's keys.
SamplingOptions ReadSampling(const LineFields& line, const SamplingOptions& defaults) {
  Options options;
  options.sampling = defaults;
  for (const OptionKey* key : SamplingKeys()) {
    const std::string field = FieldOf(*key);
    if (const Json* value = line.Find(field))
      key->set(options, JsonValue(*value, fmt::format("{}: \"{}\"", line.where(), field)));
  }
  SamplingOptions& sampling = options.sampling;
  // A default that the line's own limit does not leave room for gives way.
  if (line.Find("min_tokens") == nullptr)
    sampling.params.min_tokens =
        std::min(sampling.params.min_tokens, sampling.params.max_new_tokens);
  if (line.Find("max_new_tokens") != nullptr) sampling.max_length.reset();
  return std::move(options.sampling);
}

void ReadTokenLists(const LineFields& line, SamplingParams& params) {
  params.logit_bias = line.Biases("logit_bias").value_or(params.logit_bias);
  const auto allowed = line.Tokens("allowed_token_ids");
  if (allowed && allowed->empty())
    throw BadInput(
        "{}: \"allowed_token_ids\" is empty, so that no token is left; give at least one, or leave "
        "it out to allow all",
        line.where());
  params.allowed_tokens = allowed.value_or(params.allowed_tokens);
  params.banned_tokens = line.Tokens("banned_token_ids").value_or(params.banned_tokens);
  params.stop_tokens = line.Tokens("stop_token_ids").value_or(params.stop_tokens);
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

// Obeys max_length, which the prompt counts towards.
void CutToLength(GenerateRequest& one) {
  if (!one.max_length) return;
  SamplingParams& params = one.request.sampling;
  const auto prompt = std::ssize(one.request.tokens);
  if (prompt >= *one.max_length)
    throw BadInput(
        "{}: the prompt has {} tokens, and the model's generation_config.json ends texts at "
        "max_length, which is {} with the prompt; set max_new_tokens",
        one.where, prompt, *one.max_length);
  params.max_new_tokens = *one.max_length - prompt;
  params.min_tokens = std::min(params.min_tokens, params.max_new_tokens);
}

struct Limits {
  const Tokenizer& tokenizer;
  const ModelSpec& spec;
  std::string_view where;
};

// What cannot fit is not tokenized, which takes long for millions of bytes.
void CheckBytes(const std::string& text, std::string_view name, const Limits& limits) {
  const auto most = limits.tokenizer.MostBytes(limits.spec.context_tokens);
  if (!most || static_cast<std::int64_t>(text.size()) <= *most) return;
  throw BadInput(
      "{}: the {} has {} bytes; the model's context holds {} tokens, which are at most {} bytes; "
      "shorten the {}",
      limits.where, name, text.size(), limits.spec.context_tokens, *most, name);
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

namespace {

GenerateRequest ReadRequest(const LineFields& line, std::int64_t index,
                            const SamplingOptions& defaults) {
  TextOrTokens given = ReadTextOrTokens(line, "prompt");
  SamplingOptions sampling = ReadSampling(line, defaults);
  GenerateRequest request{.where = line.where(), .id = line.Id(index), .request = {}};
  request.max_length = sampling.max_length;
  request.passed = line.passed();
  TextRequest& text = request.request;
  text.prompt = std::move(given.text);
  text.tokens = std::move(given.tokens);
  text.sampling = std::move(sampling.params);
  text.sampling.stream = line.Find("seed") ? 0 : static_cast<std::uint64_t>(index);
  ReadTokenLists(line, text.sampling);
  text.stop = std::move(sampling.stop);
  text.n = sampling.n;
  text.best_of = sampling.best_of;
  text.beams = sampling.beams;
  text.logprobs = sampling.logprobs;
  text.prompt_logprobs = line.Integer("prompt_logprobs", {0, 1 << 20});
  text.priority = line.Integer("priority", {-kMostPriority, kMostPriority}).value_or(0);
  Validate(text.sampling, request.where);
  ValidateSamples(text, request.where);
  return request;
}

}  // namespace

GenerateRequest ParseGenerateLine(std::string_view line, const std::string& where,
                                  std::int64_t index, const Options& defaults) {
  const LineFields fields(line, where, RulesOfGenerate(defaults.input.unknown_fields));
  return ReadRequest(fields, index, defaults.sampling);
}

GenerateRequest RequestOfPrompt(const std::string& prompt, const Options& defaults) {
  if (prompt.empty()) throw BadInput("--prompt: is empty; expected at least one character");
  Json line = Json::object();
  line["prompt"] = prompt;
  const LineFields fields(std::move(line), "--prompt", RulesOfGenerate(UnknownFields::kRefuse));
  return ReadRequest(fields, 0, defaults.sampling);
}

ScoreRequest ParseScoreLine(std::string_view line, const std::string& where, std::int64_t index,
                            UnknownFields unknown) {
  const LineFields fields(line, where,
                          {.known = {"text", "tokens", "id"},
                           .unknown = unknown,
                           .answer = {"logprobs", "top", "embedding"}});
  TextOrTokens given = ReadTextOrTokens(fields, "text");
  return {where, fields.Id(index), std::move(given.text), std::move(given.tokens), fields.passed()};
}

void RefuseNone(std::size_t count, std::string_view where) {
  if (count == 0) throw BadInput("{}: holds no lines; expected at least one request", where);
}

std::vector<ScoreRequest> ParseScoreLines(std::string_view text, std::string_view where,
                                          UnknownFields unknown) {
  std::vector<ScoreRequest> requests;
  ForEachLine(text, where, [&](std::string_view line, const std::string& place) {
    requests.push_back(
        ParseScoreLine(line, place, static_cast<std::int64_t>(requests.size()), unknown));
  });
  RefuseNone(requests.size(), where);
  return requests;
}

void Prepare(GenerateRequest& one, const Tokenizer& tokenizer, const ModelSpec& spec) {
  TextRequest& request = one.request;
  if (request.tokens.empty()) {
    CheckBytes(request.prompt, "prompt", {tokenizer, spec, one.where});
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
  CutToLength(one);
  const auto room = spec.context_tokens - std::ssize(request.tokens);
  CheckLengthPenalty(request.beams, std::min(request.sampling.max_new_tokens, room), one.where);
}

void Prepare(std::vector<ScoreRequest>& requests, const Tokenizer* tokenizer,
             const ModelSpec& spec) {
  for (ScoreRequest& request : requests) {
    if (request.tokens.empty()) {
      LOCKSTEP_CHECK(tokenizer != nullptr, "{} has text", request.where);
      CheckBytes(request.text, "text", {*tokenizer, spec, request.where});
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
    Heartbeat();
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
    return WithPassed(Line(record), request.passed);
  }
  // Text by text: all of them as one object would be many times as large as the record.
  std::string samples;
  for (const TextSample& sample : result.samples) {
    OutputJson one = OutputJson::object();
    Heartbeat();
    AddSample(sample, asked.logprobs.has_value(), one);
    samples += (samples.empty() ? "" : ",") + Text(one);
  }
  std::string line = Text(record);
  line.pop_back();
  return WithPassed(line + ",\"samples\":[" + samples + "]}\n", request.passed);
}

std::string FormatError(std::string_view line, std::int64_t index, std::string_view message) {
  OutputJson id = index;
  const auto beat = [](int, Json::parse_event_t, Json&) {
    Heartbeat();
    return true;
  };
  const Json object = Json::parse(line, beat, false);
  if (object.is_object() && object.contains("id"))
    if (const Json& given = object["id"]; given.is_string() || given.is_number_integer())
      id = ToOutput(given);
  return Line({{"id", std::move(id)}, {"error", std::string(message)}});
}

std::string FormatError(const Json& id, std::string_view message) {
  return Line({{"id", ToOutput(id)}, {"error", std::string(message)}});
}

std::string FormatEmbedding(const ScoreRequest& request, std::span<const float> vector) {
  OutputJson values = OutputJson::array();
  for (const float value : vector) values.push_back(value);
  return WithPassed(Line({{"id", ToOutput(request.id)}, {"embedding", std::move(values)}}),
                    request.passed);
}

std::string FormatScore(const ScoreRequest& request, const Score& score) {
  OutputJson logprobs = OutputJson::array({nullptr});
  OutputJson top = OutputJson::array({nullptr});
  for (const float logprob : score.logprobs) logprobs.push_back(logprob);
  for (const std::int32_t id : score.top) top.push_back(id);
  return WithPassed(Line({{"id", ToOutput(request.id)},
                          {"tokens", request.tokens},
                          {"logprobs", std::move(logprobs)},
                          {"top", std::move(top)}}),
                    request.passed);
}

}  // namespace lockstep
