#include "api/requests.h"

#include <algorithm>
#include <iterator>

#include "api/json_lines.h"
#include "api/line_table.h"
#include "core/error.h"
#include "runtime/options/option_table.h"
#include "text/continuation.h"

namespace lockstep {
namespace {

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

LineRules RulesOf(Task task, UnknownFields unknown) {
  return {.known = FieldNames(InputFields(task)),
          .unknown = unknown,
          .answer = FieldNames(AnswerFields(task))};
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

[[noreturn]] void RefuseContinuation(const LineFields& line, std::string_view found) {
  throw BadInput(
      "{}: found {}; expected \"context\" and \"continuation\", both of them texts or both lists "
      "of "
      "token ids, and neither \"text\" nor \"tokens\"",
      line.where(), found);
}

void CheckContinuation(const LineFields& line, const Json* context, const Json* continuation) {
  for (const char* other : {"text", "tokens"})
    if (line.Find(other) != nullptr) RefuseContinuation(line, fmt::format("\"{}\" too", other));
  if (context == nullptr) RefuseContinuation(line, "no \"context\"");
  if (continuation == nullptr) RefuseContinuation(line, "no \"continuation\"");
  if (context->is_array() != continuation->is_array())
    RefuseContinuation(line, "one of them that is a list and one that is none");
}

void ReadContinuation(const LineFields& line, LineRequest& request) {
  const Json* context = line.Find("context");
  CheckContinuation(line, context, line.Find("continuation"));
  TextRequest& text = request.request;
  if (!context->is_array()) {
    text.prompt = *FindString(line.object(), "context", line.where());
    request.continuation = *FindString(line.object(), "continuation", line.where());
    if (request.continuation.empty())
      throw BadInput("{}: \"continuation\" is empty; expected at least one character",
                     line.where());
    return;
  }
  text.tokens = *line.Tokens("context");
  text.context_tokens = std::ssize(text.tokens);
  const auto behind = *line.Tokens("continuation");
  if (text.tokens.empty() || behind.empty())
    throw BadInput("{}: \"{}\" is empty; expected at least one token", line.where(),
                   text.tokens.empty() ? "context" : "continuation");
  text.tokens.insert(text.tokens.end(), behind.begin(), behind.end());
}

void CheckTokens(std::span<const std::int32_t> tokens, const ModelSpec& spec,
                 std::string_view where) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] >= spec.vocab_rows)
      throw BadInput("{}: token {} is {}; the model's ids are 0 to {}", where, i, tokens[i],
                     spec.vocab_rows - 1);
}

// Obeys max_length, which the prompt counts towards.
void CutToLength(LineRequest& one) {
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
void CheckBytes(std::size_t bytes, std::string_view name, const Limits& limits) {
  const auto most = limits.tokenizer.MostBytes(limits.spec.context_tokens);
  if (!most || static_cast<std::int64_t>(bytes) <= *most) return;
  throw ContextError(fmt::format(
      "{}: the {} has {} bytes; the model's context holds {} tokens, which are at most {} bytes; "
      "shorten the {}",
      limits.where, name, bytes, limits.spec.context_tokens, *most, name));
}

LineRequest ReadRequest(const LineFields& line, std::int64_t index,
                        const SamplingOptions& defaults) {
  TextOrTokens given = ReadTextOrTokens(line, "prompt");
  SamplingOptions sampling = ReadSampling(line, defaults);
  LineRequest request{.where = line.where(), .id = line.Id(index), .request = {}};
  request.max_length = sampling.max_length;
  request.passed = line.passed();
  TextRequest& text = request.request;
  text.prompt = std::move(given.text);
  text.tokens = std::move(given.tokens);
  text.sampling = std::move(sampling.params);
  text.sampling.stream = line.Find("seed") ? 0 : static_cast<std::uint64_t>(index);
  ReadTokenLists(line, text.sampling);
  text.stop = std::move(sampling.stop);
  text.include_stop = line.Flag("include_stop_str_in_output");
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

LineRequest ParseGenerateLine(std::string_view line, const std::string& where, std::int64_t index,
                              const Options& defaults) {
  const LineFields fields(line, where, RulesOf(Task::kGenerate, defaults.input.unknown_fields));
  return ReadRequest(fields, index, defaults.sampling);
}

LineRequest ParseGenerateObject(Json object, const std::string& where, std::int64_t index,
                                const Options& defaults) {
  const LineFields fields(std::move(object), where,
                          RulesOf(Task::kGenerate, UnknownFields::kRefuse));
  return ReadRequest(fields, index, defaults.sampling);
}

LineRequest RequestOfPrompt(const std::string& prompt, const Options& defaults) {
  if (prompt.empty()) throw BadInput("--prompt: is empty; expected at least one character");
  Json line = Json::object();
  line["prompt"] = prompt;
  return ParseGenerateObject(std::move(line), "--prompt", 0, defaults);
}

LineRequest ParseLine(Task task, std::string_view line, const std::string& where,
                      std::int64_t index, const Options& defaults) {
  if (task == Task::kGenerate) return ParseGenerateLine(line, where, index, defaults);
  const LineFields fields(line, where, RulesOf(task, defaults.input.unknown_fields));
  LineRequest request{.where = where, .id = fields.Id(index), .request = {}};
  request.request.task = task;
  request.request.pooling = defaults.embed.pooling;
  request.passed = fields.passed();
  if (fields.Find("context") != nullptr || fields.Find("continuation") != nullptr) {
    ReadContinuation(fields, request);
    return request;
  }
  TextOrTokens given = ReadTextOrTokens(fields, "text");
  request.request.prompt = std::move(given.text);
  request.request.tokens = std::move(given.tokens);
  return request;
}

namespace {

// That have to fit the model's context at least. Of a score the last one is only looked for in what
// the model says to the others.
std::int64_t TokensRead(Task task, std::int64_t count) {
  if (task == Task::kGenerate) return count + 1;
  return task == Task::kScore ? count - 1 : count;
}

void CheckRoom(const LineRequest& one, const ModelSpec& spec) {
  const std::int64_t count = std::ssize(one.request.tokens);
  const bool generates = one.request.task == Task::kGenerate;
  if (TokensRead(one.request.task, count) <= spec.context_tokens) return;
  if (generates)
    throw ContextError(fmt::format(
        "{}: the prompt has {} tokens; the model's context holds {}, of which at least one is "
        "for the continuation; shorten the prompt",
        one.where, count, spec.context_tokens));
  throw ContextError(
      fmt::format("{}: the text has {} tokens; the model's context holds {}{}; shorten the text",
                  one.where, count, spec.context_tokens,
                  one.request.task == Task::kScore ? ", and a score takes one more" : ""));
}

void Tokenize(LineRequest& one, const Limits& limits) {
  TextRequest& request = one.request;
  const std::string_view name = request.task == Task::kGenerate ? "prompt" : "text";
  CheckBytes(request.prompt.size() + one.continuation.size(), name, limits);
  try {
    if (one.continuation.empty()) {
      request.tokens = limits.tokenizer.Encode(request.prompt);
    } else {
      ContextAndContinuation encoded =
          EncodeContinuation(limits.tokenizer, request.prompt, one.continuation);
      request.tokens = std::move(encoded.tokens);
      request.context_tokens = encoded.context_tokens;
    }
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", one.where, error.what()));
  }
  if (request.tokens.empty())
    throw BadInput(
        "{}: the tokenizer makes no token of the {}: none of its characters is in the vocabulary; "
        "give another {}, or \"tokens\"",
        one.where, name, name);
}

}  // namespace

void Prepare(LineRequest& one, const Tokenizer* tokenizer, const ModelSpec& spec) {
  TextRequest& request = one.request;
  const bool generates = request.task == Task::kGenerate;
  if (tokenizer == nullptr && (generates || NeedsTokenizer(one)))
    throw BadInput(
        "{}: there is no tokenizer for the text; give \"tokens\", or set model.tokenizer",
        one.where);
  if (request.tokens.empty())
    Tokenize(one, {*tokenizer, spec, one.where});
  else if (generates)
    request.prompt = tokenizer->Decode(request.tokens, SpecialTokens::kKeep);
  CheckTokens(request.tokens, spec, one.where);
  CheckRoom(one, spec);
  if (!generates) return;
  CutToLength(one);
  const auto room = spec.context_tokens - std::ssize(request.tokens);
  CheckLengthPenalty(request.beams, std::min(request.sampling.max_new_tokens, room), one.where);
}

}  // namespace lockstep
