#include "api/openai/request_fields.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <random>

#include "core/error.h"
#include "engine/check_request.h"

namespace lockstep {
namespace {

constexpr std::size_t kMostPrompts = 2048;

[[noreturn]] void RefusePrompt(const char* name, const std::string& found) {
  throw ApiError(400,
                 fmt::format("{} is {}; expected a text, a list of texts, a list of token ids, "
                             "or a list of such lists",
                             name, found),
                 name);
}

void CheckModel(const Json& object, const RequestRules& rules) {
  const Json* model = FindField(object, "model");
  if (model == nullptr || *model == "") return;  // vLLM takes "" for its own, too
  if (!model->is_string())
    throw ApiError(400, fmt::format("model is {}; expected a name", ShownJson(*model)), "model");
  if (model->get_ref<const std::string&>() != rules.model)
    throw ApiError(
        404,
        fmt::format("the model {} does not exist; this {} has \"{}\"{}", ShownJson(*model),
                    rules.line ? "job" : "server", rules.model,
                    rules.line ? "; set server.model_name to the name that the lines have" : ""),
        "model");
}

// {"type": "text"} is what every text is.
void RefuseFormats(const Json& object) {
  const Json* format = FindField(object, "response_format");
  const bool text =
      format != nullptr && format->is_object() && format->value("type", Json()) == "text";
  if (format != nullptr && !text)
    throw ApiError(400,
                   fmt::format("response_format is {}; only {{\"type\": \"text\"}} is supported",
                               ShownJson(*format)),
                   "response_format");
  for (const char* name :
       {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"})
    if (FindField(object, name) != nullptr)
      throw ApiError(400, fmt::format("{} is not supported: texts are not held to a form", name),
                     name);
}

bool IsWordPart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The next word from `begin` on, as a name of a field is one; empty at the end.
std::string_view NextWord(std::string_view text, std::size_t begin) {
  while (begin < text.size() && !IsWordPart(text[begin])) ++begin;
  std::size_t end = begin;
  while (end < text.size() && IsWordPart(text[end])) ++end;
  return text.substr(begin, end - begin);
}

// What a client calls this field of a line, rather by a name that the request has; empty for what
// is none.
std::string_view TheirName(const Json& object, const FieldNames& names, std::string_view ours) {
  std::vector<std::string_view> theirs;
  if (ours == "num_beams") theirs = {"use_beam_search", "n", "best_of"};  // UseBeams()
  for (const auto& [name, of_line] : names)
    if (ours == of_line) theirs.push_back(name);
  const auto given = std::find_if(theirs.rbegin(), theirs.rend(), [&](std::string_view name) {
    return FindField(object, std::string(name).c_str()) != nullptr;
  });
  if (given != theirs.rend()) return *given;  // the last one has the last word
  return theirs.empty() ? "" : theirs.front();
}

// A message about a line of a batch job in the words of a request, whose fields have other names.
// The first field that it mentions is the one at fault; where there is none, it is the text.
ApiError InTheirWords(std::string_view message, const Json& object, const FieldNames& names,
                      const char* text_field) {
  const bool of_line = message.starts_with("prompt ") || message.starts_with("input ");
  if (!of_line) return ApiError(400, std::string(message));
  std::string said, at_fault;
  std::size_t done = 0;
  for (std::string_view word; !(word = NextWord(message, done)).empty();) {
    const auto begin = static_cast<std::size_t>(word.data() - message.data());
    const std::string_view theirs = TheirName(object, names, word);
    said += message.substr(done, begin - done);
    said += theirs.empty() ? word : theirs;
    if (at_fault.empty()) at_fault = theirs;
    done = begin + word.size();
  }
  said += message.substr(done);
  return ApiError(400, said, at_fault.empty() ? text_field : at_fault);
}

}  // namespace

const Json* FindField(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool FlagField(const Json& object, const char* name, bool otherwise) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean())
    throw ApiError(400, fmt::format("{} is {}; expected true or false", name, ShownJson(*value)),
                   name);
  return value->get<bool>();
}

std::optional<std::int64_t> CountField(const Json& object, const char* name) {
  constexpr std::int64_t kMostCounted = 1 << 20;
  const Json* value = FindField(object, name);
  if (value == nullptr) return std::nullopt;
  const double count = value->is_number() ? value->get<double>() : -1.0;
  if (!(count >= 0.0 && count <= static_cast<double>(kMostCounted)) || std::trunc(count) != count)
    throw ApiError(400,
                   fmt::format("{} is {}; expected a whole number from 0 to {}", name,
                               ShownJson(*value), kMostCounted),
                   name);
  return static_cast<std::int64_t>(count);
}

Json ReadRequestObject(std::string_view body, const RequestRules& rules) {
  Json object = ParseJson(body, "the request");
  if (!object.is_object())
    throw ApiError(400, fmt::format("the request is {}; expected an object", ShownJson(object)));
  CheckModel(object, rules);
  return object;
}

void ReadInClientsTerms(std::string_view body, const RequestRules& rules, const ClientsTerms& terms,
                        const std::function<void(const Json& object)>& read) {
  Json object;
  try {
    object = ReadRequestObject(body, rules);
    read(object);
  } catch (const ContextError& error) {
    RefuseLength(rules.spec.context_tokens, fmt::format("you requested more: {}", error.what()),
                 terms.text_field);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    throw InTheirWords(error.what(), object, terms.names, terms.text_field);
  }
}

void ReadStream(const Json& object, ApiRequest& request) {
  request.stream = FlagField(object, "stream");
  const Json* options = FindField(object, "stream_options");
  if (options == nullptr) return;
  if (!options->is_object())
    throw ApiError(400,
                   fmt::format("stream_options is {}; expected an object", ShownJson(*options)),
                   "stream_options");
  if (!request.stream)
    throw ApiError(400, "stream_options goes with stream: true", "stream_options");
  request.include_usage = FlagField(*options, "include_usage");
  request.continuous_usage = request.include_usage && FlagField(*options, "continuous_usage_stats");
}

void RefuseUnsupported(const Json& object) {
  if (const Json* words = FindField(object, "bad_words");
      words != nullptr && *words != Json::array())
    throw ApiError(400, "bad_words is not supported; allowed_token_ids and logit_bias are",
                   "bad_words");
  RefuseFormats(object);
}

FieldNames SamplingFields() {
  return {{"temperature", "temperature"},
          {"top_p", "top_p"},
          {"top_k", "top_k"},
          {"min_p", "min_p"},
          {"n", "n"},
          {"stop", "stop"},
          {"stop_token_ids", "stop_token_ids"},
          {"include_stop_str_in_output", "include_stop_str_in_output"},
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
          {"priority", "priority"}};
}

namespace {

bool IsWholeAndExact(double value) {
  constexpr double kMostExact = 9007199254740992.0;  // 2^53
  return std::abs(value) <= kMostExact && std::trunc(value) == value;
}

// What clients of OpenAI, vLLM and llama.cpp send where they mean "off" or "the likeliest token".
void TakeUsualValues(Json& line) {
  const auto number = [&](const char* name) {
    const auto found = line.find(name);
    return found != line.end() && found->is_number() ? found->get<double>() : 1.0;
  };
  if (number("top_k") == -1.0) line["top_k"] = 0;
  if (number("top_p") == 0.0) line["top_p"] = kLeastTopP;
  if (const double heat = number("temperature"); heat > 0.0 && heat < kLeastTemperature)
    line["temperature"] = 0;
  const auto seed = line.find("seed");
  if (seed == line.end()) return;
  if (seed->is_number_float() && IsWholeAndExact(seed->get<double>()))
    *seed = static_cast<std::int64_t>(seed->get<double>());  // -1.0 is an integer of JSON's
  if (!seed->is_number_integer() || seed->is_number_unsigned()) return;
  if (*seed == -1)
    line.erase(seed);  // any seed
  else
    *seed = static_cast<std::uint64_t>(seed->get<std::int64_t>());  // OpenAI's have a sign
}

}  // namespace

Json LineOf(const Json& object, const FieldNames& names, const RequestRules& rules) {
  Json line = Json::object();
  if (!rules.defaults.stated.contains("sampling.temperature")) line["temperature"] = 1.0;
  for (const auto& [theirs, ours] : names)
    if (const Json* value = FindField(object, theirs)) line[ours] = *value;
  TakeUsualValues(line);
  return line;
}

void UseBeams(const Json& object, Json& line) {
  if (!FlagField(object, "use_beam_search")) return;
  const Json* width = FindField(object, "best_of");
  if (width == nullptr) width = FindField(object, "n");
  line["num_beams"] = width == nullptr ? Json(1) : *width;
  line["temperature"] = 0;
  line.erase("best_of");
  line.erase("seed");
}

// What is known at the end only.
void CheckStreamable(const ApiRequest& request) {
  const TextRequest& one = request.prompts.front().request;
  if (!request.stream) return;
  if (one.best_of > one.n)
    throw ApiError(400,
                   "best_of above n cannot be streamed: which texts are the best is known at "
                   "the end; leave stream out",
                   "best_of");
  if (one.beams.num_beams > 1)
    throw ApiError(400, "beam search cannot be streamed; leave stream out", "use_beam_search");
}

namespace {

// Each prompt of each line draws for itself.
std::int64_t StreamOf(std::size_t prompt, const RequestRules& rules) {
  const auto before = rules.line.value_or(0) * static_cast<std::int64_t>(kMostPrompts);
  return before + static_cast<std::int64_t>(prompt);
}

// Where nobody has said what to draw from, each prompt has a seed of its own: prompts of one seed
// begin alike. Those of a line of a job, or of a server with a seed, draw from their streams.
bool NeedsSeed(const Json& line, const RequestRules& rules) {
  return !line.contains("seed") && !line.contains("num_beams") && !rules.line &&
         !rules.defaults.stated.contains("sampling.seed");
}

}  // namespace

namespace {

// What the engine would refuse, before an answer begins.
void CheckEngineTakes(const LineRequest& one, const RequestRules& rules) {
  const TextRequest& request = one.request;
  const std::int64_t rows = rules.spec.vocab_rows;
  try {
    CheckControls(request.sampling, request.logprobs, request.prompt_logprobs,
                  {.vocab_rows = rows,
                   .sampled_vocab = std::min<std::int64_t>(rules.tokenizer.vocab_size(), rows),
                   .end_tokens = rules.end_tokens});
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", one.where, error.what()));
  }
}

}  // namespace

LineRequest ReadPrompt(const CommonLine& common, const Json& prompt, std::size_t index,
                       const RequestRules& rules) {
  Json line = common.fields;
  line[prompt.is_string() ? "prompt" : "tokens"] = prompt;
  if (NeedsSeed(line, rules)) line["seed"] = std::random_device()();
  const std::string where = fmt::format("prompt {}", index);
  LineRequest request =
      ParseGenerateObject(std::move(line), where, StreamOf(index, rules), rules.defaults);
  request.request.client = rules.client;
  Prepare(request, &rules.tokenizer, rules.spec);
  const auto tokens = std::ssize(request.request.tokens);
  const auto asked = request.request.sampling.max_new_tokens;
  if (common.states_tokens && asked > rules.spec.context_tokens - tokens)
    RefuseLength(rules.spec.context_tokens,
                 fmt::format("you requested {} tokens ({} in the prompt, {} for the completion)",
                             static_cast<std::uint64_t>(tokens) + static_cast<std::uint64_t>(asked),
                             tokens, asked),
                 common.text_field);
  CheckEngineTakes(request, rules);
  return request;
}

std::vector<Json> PromptsOf(const Json& object, const char* name) {
  const Json* prompt = FindField(object, name);
  if (prompt == nullptr) RefusePrompt(name, "missing");
  if (prompt->is_string()) return {*prompt};
  if (!prompt->is_array()) RefusePrompt(name, ShownJson(*prompt));
  if (prompt->empty()) RefusePrompt(name, "an empty list");
  if (prompt->front().is_number()) return {*prompt};
  if (prompt->size() > kMostPrompts)
    RefusePrompt(name, fmt::format("{} prompts, more than {}", prompt->size(), kMostPrompts));
  for (const Json& one : *prompt)
    if (!one.is_string() && !one.is_array()) RefusePrompt(name, "a list with " + ShownJson(one));
  return *prompt;
}

void RefuseLength(std::int64_t context, const std::string& what, const char* text_field) {
  throw ApiError(
      400,
      fmt::format("This model's maximum context length is {} tokens. However, {}", context, what),
      text_field);
}

}  // namespace lockstep
