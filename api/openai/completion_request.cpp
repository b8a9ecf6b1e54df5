#include "api/openai/completion_request.h"

#include "api/openai/request_fields.h"

namespace lockstep {
namespace {

constexpr std::int64_t kDefaultTokens = 16;

FieldNames CompletionFields() {
  FieldNames names = SamplingFields();
  for (const char* name : {"best_of", "logprobs", "prompt_logprobs"})
    names.emplace_back(name, name);
  names.emplace_back("max_tokens", "max_new_tokens");
  return names;
}

void ReadPrompts(const Json& object, const RequestRules& rules, CompletionRequest& request) {
  CommonLine common{.fields = LineOf(object, CompletionFields(), rules),
                    .states_tokens = FindField(object, "max_tokens") != nullptr};
  Json& line = common.fields;
  // OpenAI's default gives way to a configuration that states one.
  if (!common.states_tokens && !rules.defaults.stated.contains("sampling.max_new_tokens"))
    line["max_new_tokens"] = kDefaultTokens;
  UseBeams(object, line);
  if (request.echo && line.value("max_new_tokens", Json(nullptr)) == 0) {
    line["max_new_tokens"] = 1;  // no step without one
    request.prompt_only = true;
    common.states_tokens = false;
  }
  if (request.echo && line.contains("logprobs") &&
      (!request.prompt_logprobs || line["prompt_logprobs"] < line["logprobs"]))
    line["prompt_logprobs"] = line["logprobs"];
  const std::vector<Json> prompts = PromptsOf(object, "prompt");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    request.prompts.push_back(ReadPrompt(common, prompts[i], i, rules));
    request.texts.push_back(prompts[i].is_string() ? prompts[i].get<std::string>()
                                                   : request.prompts.back().request.prompt);
  }
}

void CheckEcho(const CompletionRequest& request) {
  const TextRequest& one = request.prompts.front().request;
  if (request.stream && request.echo && one.logprobs && one.n > 1)
    throw ApiError(400, "echo with logprobs cannot be streamed for n above 1; leave stream out",
                   "echo");
}

}  // namespace

CompletionRequest ParseCompletion(std::string_view body, const RequestRules& rules) {
  CompletionRequest request;
  ReadInClientsTerms(body, rules, {CompletionFields(), "prompt"}, [&](const Json& object) {
    if (const Json* suffix = FindField(object, "suffix"); suffix != nullptr && *suffix != "")
      throw ApiError(400, "suffix is not supported: these models do not fill in", "suffix");
    RefuseUnsupported(object);
    request.echo = FlagField(object, "echo");
    request.return_token_ids = FlagField(object, "return_token_ids");
    request.prompt_logprobs = CountField(object, "prompt_logprobs");
    request.tokens_as_ids = FlagField(object, "return_tokens_as_token_ids");
    ReadStream(object, request);
    ReadPrompts(object, rules, request);
    CheckStreamable(request);
    CheckEcho(request);
  });
  return request;
}

}  // namespace lockstep
