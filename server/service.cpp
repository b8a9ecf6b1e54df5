#include "server/service.h"

#include <chrono>
#include <random>
#include <utility>

#include "api/openai/api_error.h"
#include "api/openai/chat_reply.h"
#include "api/openai/completion_reply.h"
#include "api/openai/embedding_request.h"
#include "api/openai/sampling_defaults.h"
#include "core/json.h"
#include "core/version.h"

namespace lockstep {
namespace {

std::int64_t Now() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock::now().time_since_epoch())
      .count();
}

std::uint64_t Random() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

Json ObjectOf(std::string_view body) {
  try {
    Json object = ParseJson(body, "the request");
    if (object.is_object()) return object;
    throw ApiError(400, fmt::format("the request is {}; expected an object", ShownJson(object)));
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
}

}  // namespace

Service::Service(Parts parts)
    : parts_(std::move(parts)), metrics_(parts_.model), started_(Now()), first_id_(Random()) {}

std::string Service::Models() const {
  const Json model = {{"id", parts_.model},
                      {"object", "model"},
                      {"created", started_},
                      {"owned_by", "lockstep"},
                      {"root", parts_.model},
                      {"parent", nullptr},
                      {"max_model_len", parts_.spec.context_tokens}};
  return DumpJson({{"object", "list"}, {"data", Json::array({model})}});
}

std::string Service::Version() const {
  return DumpJson({{"version", std::string(lockstep::Version())}});
}

std::string Service::MetricsText() const { return metrics_.Text(queue_.statistics()); }

std::string Service::Defaults() const {
  return DumpJson({{"model", parts_.model},
                   {"max_model_len", parts_.spec.context_tokens},
                   {"ranks", parts_.ranks},
                   {"version", std::string(lockstep::Version())},
                   {"sampling", SamplingDefaults(Rules())}});
}

std::string Service::Tokenize(std::string_view body) const {
  const Json object = ObjectOf(body);
  try {
    const auto prompt = FindString(object, "prompt", "the request");
    if (!prompt) throw ApiError(400, "prompt is missing; expected a text", "prompt");
    const auto tokens = parts_.tokenizer.Encode(*prompt);
    return DumpJson({{"count", tokens.size()},
                     {"max_model_len", parts_.spec.context_tokens},
                     {"tokens", tokens}});
  } catch (const Error& error) {
    throw ApiError(400, error.what(), "prompt");
  }
}

std::string Service::Detokenize(std::string_view body) const {
  const Json object = ObjectOf(body);
  const auto tokens = object.find("tokens");
  if (tokens == object.end() || !tokens->is_array())
    throw ApiError(400, "tokens is missing; expected a list of token ids", "tokens");
  std::vector<std::int32_t> ids;
  for (const Json& one : *tokens) {
    if (!one.is_number_integer() || one < 0 || one >= parts_.tokenizer.vocab_size())
      throw ApiError(400,
                     fmt::format("tokens has {}; expected ids from 0 to {}", ShownJson(one),
                                 parts_.tokenizer.vocab_size() - 1),
                     "tokens");
    ids.push_back(one.get<std::int32_t>());
  }
  return DumpJson({{"prompt", parts_.tokenizer.Decode(ids, SpecialTokens::kKeep)}});
}

std::string Service::TokenizerInfo() const {
  Json info = {{"vocab_size", parts_.tokenizer.vocab_size()},
               {"model_max_length", parts_.spec.context_tokens}};
  if (parts_.end_tokens.empty()) return DumpJson(info);
  const std::int32_t end = parts_.end_tokens.front();
  info["eos_token"] = std::string(parts_.tokenizer.TokenBytes(end));
  info["eos_token_id"] = end;
  return DumpJson(info);
}

void Service::Drain() {
  draining_ = true;
  queue_.Drain();
}

std::string Service::unavailable() const {
  if (draining_) return "the server is shutting down";
  return queue_.unavailable();
}

// Before anything is tokenized.
void Service::RefuseIfBusy() const {
  if (const Refusal refusal = queue_.Refuse(); refusal != Refusal::kNone)
    throw NotAccepted(refusal);
}

RequestRules Service::Rules() const {
  return {.model = parts_.model,
          .defaults = parts_.defaults,
          .tokenizer = parts_.tokenizer,
          .spec = parts_.spec};
}

ReplyParts Service::PartsOfReply(std::string_view kind) const {
  return {.tokenizer = parts_.tokenizer,
          .id = fmt::format("{}-{:016x}", kind, first_id_ + next_id_++),
          .model = parts_.model,
          .created = Now()};
}

ReadRequest Service::ReadCompletion(std::string_view body) const {
  RefuseIfBusy();
  auto request = std::make_shared<const CompletionRequest>(ParseCompletion(body, Rules()));
  auto reply = std::make_unique<CompletionReply>(*request, PartsOfReply("cmpl"));
  return {std::move(request), std::move(reply)};
}

ReadRequest Service::ReadChat(std::string_view body) const {
  RefuseIfBusy();
  auto request = std::make_shared<const ChatRequest>(ParseChat(body, Rules(), parts_.chat));
  auto reply = std::make_unique<ChatReply>(*request, PartsOfReply("chatcmpl"));
  return {std::move(request), std::move(reply)};
}

ReadRequest Service::ReadEmbedding(std::string_view body) const {
  RefuseIfBusy();
  auto request = std::make_shared<const EmbeddingRequest>(ParseEmbedding(body, Rules()));
  auto reply = std::make_unique<EmbeddingReply>(*request, parts_.model);
  return {std::move(request), std::move(reply)};
}

std::unique_ptr<CompletionCall> Service::Begin(const ApiRequest& request,
                                               std::function<void()> notify) const {
  return std::make_unique<CompletionCall>(queue_, request, std::move(notify));
}

}  // namespace lockstep
