#include "api/openai/completion_request.h"

#include <array>
#include <random>
#include <utility>

#include "api/openai/api_error.h"
#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::int64_t kDefaultTokens = 16;
constexpr std::size_t kMostPrompts = 2048;

// Fields that mean what ours of a line do, and ours.
constexpr std::array<std::pair<const char*, const char*>, 22> kFields{{
    {"max_tokens", "max_new_tokens"},
    {"temperature", "temperature"},
    {"top_p", "top_p"},
    {"top_k", "top_k"},
    {"min_p", "min_p"},
    {"n", "n"},
    {"best_of", "best_of"},
    {"logprobs", "logprobs"},
    {"prompt_logprobs", "prompt_logprobs"},
    {"stop", "stop"},
    {"stop_token_ids", "stop_token_ids"},
    {"presence_penalty", "presence_penalty"},
    {"frequency_penalty", "frequency_penalty"},
    {"repetition_penalty", "repetition_penalty"},
    {"logit_bias", "logit_bias"},
    {"allowed_token_ids", "allowed_token_ids"},
    {"seed", "seed"},
    {"min_tokens", "min_tokens"},
    {"ignore_eos", "ignore_eos"},
    {"length_penalty", "length_penalty"},
    {"early_stopping", "early_stopping"},
    {"priority", "priority"},
}};

const Json* Find(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool Flag(const Json& object, const char* name) {
  const Json* value = Find(object, name);
  if (value == nullptr) return false;
  if (!value->is_boolean())
    throw ApiError(400, fmt::format("{} is {}; expected true or false", name, ShownJson(*value)),
                   name);
  return value->get<bool>();
}

[[noreturn]] void RefusePrompt(const std::string& found) {
  throw ApiError(400,
                 fmt::format("prompt is {}; expected a text, a list of texts, a list of token ids, "
                             "or a list of such lists",
                             found),
                 "prompt");
}

// Each prompt by itself: a text or a list of token ids.
std::vector<Json> PromptsOf(const Json& object) {
  const Json* prompt = Find(object, "prompt");
  if (prompt == nullptr) RefusePrompt("missing");
  if (prompt->is_string()) return {*prompt};
  if (!prompt->is_array()) RefusePrompt(ShownJson(*prompt));
  if (prompt->empty()) RefusePrompt("an empty list");
  if (prompt->front().is_number()) return {*prompt};
  if (prompt->size() > kMostPrompts)
    RefusePrompt(fmt::format("{} prompts, more than {}", prompt->size(), kMostPrompts));
  for (const Json& one : *prompt)
    if (!one.is_string() && !one.is_array()) RefusePrompt("a list with " + ShownJson(one));
  return *prompt;
}

// A line without its prompt.
Json LineOf(const Json& object, const Options& defaults) {
  Json line = Json::object();
  line["max_new_tokens"] = kDefaultTokens;
  if (!defaults.stated.contains("sampling.temperature")) line["temperature"] = 1.0;
  for (const auto& [theirs, ours] : kFields)
    if (const Json* value = Find(object, theirs)) line[ours] = *value;
  if (line.contains("top_k") && line["top_k"] == -1) line["top_k"] = 0;  // off, as vLLM has it
  if (!line.contains("seed")) line["seed"] = std::random_device()();
  return line;
}

void UseBeams(const Json& object, Json& line) {
  if (!Flag(object, "use_beam_search")) return;
  const Json* width = Find(object, "best_of");
  if (width == nullptr) width = Find(object, "n");
  line["num_beams"] = width == nullptr ? Json(1) : *width;
  line["temperature"] = 0;
  line.erase("best_of");
  line.erase("seed");
}

void CheckModel(const Json& object, std::string_view served) {
  const Json* model = Find(object, "model");
  if (model == nullptr) return;
  if (!model->is_string())
    throw ApiError(400, fmt::format("model is {}; expected a name", ShownJson(*model)), "model");
  if (model->get_ref<const std::string&>() != served)
    throw ApiError(404,
                   fmt::format("the model {} does not exist; this server has \"{}\"",
                               ShownJson(*model), served),
                   "model");
}

void ReadStreamOptions(const Json& object, CompletionRequest& request) {
  const Json* options = Find(object, "stream_options");
  if (options == nullptr) return;
  if (!options->is_object())
    throw ApiError(400,
                   fmt::format("stream_options is {}; expected an object", ShownJson(*options)),
                   "stream_options");
  if (!request.stream)
    throw ApiError(400, "stream_options goes with stream: true", "stream_options");
  request.include_usage = Flag(*options, "include_usage");
  request.continuous_usage = request.include_usage && Flag(*options, "continuous_usage_stats");
}

// What a stream cannot do, because it is known at the end only.
void CheckStream(const CompletionRequest& request) {
  const TextRequest& one = request.prompts.front().request;
  if (!request.stream) return;
  if (one.best_of > one.n)
    throw ApiError(400,
                   "best_of above n cannot be streamed: which texts are the best is known at "
                   "the end; leave stream out",
                   "best_of");
  if (one.beams.num_beams > 1)
    throw ApiError(400, "beam search cannot be streamed; leave stream out", "use_beam_search");
  if (request.echo && one.logprobs && one.n > 1)
    throw ApiError(400, "echo with logprobs cannot be streamed for n above 1; leave stream out",
                   "echo");
}

// Clients look for the beginning of this message.
[[noreturn]] void RefuseLength(std::int64_t context, const std::string& what) {
  throw ApiError(
      400,
      fmt::format("This model's maximum context length is {} tokens. However, {}", context, what),
      "prompt");
}

// What all prompts of a request have in common.
struct CommonLine {
  Json fields;
  bool states_tokens = false;  // max_tokens is the client's
};

LineRequest ReadPrompt(const CommonLine& common, const Json& prompt, std::size_t index,
                       const CompletionRules& rules) {
  Json line = common.fields;
  line[prompt.is_string() ? "prompt" : "tokens"] = prompt;
  const std::string where = fmt::format("prompt {}", index);
  LineRequest request =
      ParseGenerateObject(std::move(line), where, static_cast<std::int64_t>(index), rules.defaults);
  Prepare(request, &rules.tokenizer, rules.spec);
  const auto tokens = std::ssize(request.request.tokens);
  const auto asked = request.request.sampling.max_new_tokens;
  if (common.states_tokens && tokens + asked > rules.spec.context_tokens)
    RefuseLength(rules.spec.context_tokens,
                 fmt::format("you requested {} tokens ({} in the prompt, {} for the completion)",
                             tokens + asked, tokens, asked));
  return request;
}

void ReadPrompts(const Json& object, const CompletionRules& rules, CompletionRequest& request) {
  CommonLine common{.fields = LineOf(object, rules.defaults),
                    .states_tokens = Find(object, "max_tokens") != nullptr};
  Json& line = common.fields;
  UseBeams(object, line);
  if (request.echo && line["max_new_tokens"] == 0) {
    line["max_new_tokens"] = 1;  // no step without one
    request.prompt_only = true;
    common.states_tokens = false;
  }
  if (request.echo && line.contains("logprobs")) line["prompt_logprobs"] = line["logprobs"];
  const std::vector<Json> prompts = PromptsOf(object);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    request.prompts.push_back(ReadPrompt(common, prompts[i], i, rules));
    request.texts.push_back(prompts[i].is_string() ? prompts[i].get<std::string>()
                                                   : request.prompts.back().request.prompt);
  }
}

void RefuseWhatIsMissing(const Json& object) {
  if (const Json* suffix = Find(object, "suffix"); suffix != nullptr && *suffix != "")
    throw ApiError(400, "suffix is not supported: these models do not fill in", "suffix");
  if (const Json* words = Find(object, "bad_words"); words != nullptr && !words->empty())
    throw ApiError(400, "bad_words is not supported; allowed_token_ids and logit_bias are",
                   "bad_words");
}

// What is wrong with a field in the client's words, where a line of a batch job calls it otherwise.
ApiError InTheirWords(std::string message) {
  const auto begin = message.find('"') + 1;
  const auto end = message.find('"', begin);
  if (begin == 0 || end == std::string::npos) return ApiError(400, message);
  const std::string name = message.substr(begin, end - begin);
  for (const auto& [theirs, ours] : kFields) {
    if (name != ours) continue;
    message.replace(begin, name.size(), theirs);
    return ApiError(400, message, theirs);
  }
  return ApiError(400, message);
}

}  // namespace

CompletionRequest ParseCompletion(std::string_view body, const CompletionRules& rules) {
  try {
    const Json object = ParseJson(body, "the request");
    if (!object.is_object())
      throw ApiError(400, fmt::format("the request is {}; expected an object", ShownJson(object)));
    CheckModel(object, rules.model);
    RefuseWhatIsMissing(object);
    CompletionRequest request;
    request.echo = Flag(object, "echo");
    request.stream = Flag(object, "stream");
    ReadStreamOptions(object, request);
    ReadPrompts(object, rules, request);
    CheckStream(request);
    return request;
  } catch (const ContextError& error) {
    RefuseLength(rules.spec.context_tokens, error.what());
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    throw InTheirWords(error.what());
  }
}

}  // namespace lockstep
