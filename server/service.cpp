#include "server/service.h"

#include <chrono>
#include <cmath>
#include <random>
#include <utility>

#include "api/openai/api_error.h"
#include "api/openai/api_reply.h"
#include "api/openai/request_fields.h"
#include "api/openai/sampling_defaults.h"
#include "core/json.h"
#include "core/version.h"
#include "server/openapi/openapi.h"

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

Service::Service(const Parts& parts)
    : tokenizer_(parts.tokenizer),
      openapi_(OpenApiDocument(tokenizer_.vocab_size(), parts.spec.vocab_rows)),
      spec_(parts.spec),
      format_(parts.format),
      ranks_(parts.ranks),
      served_(
          std::make_shared<const ServedCheckpoint>(ServedCheckpoint{.name = parts.model,
                                                                    .checkpoint = parts.model,
                                                                    .defaults = parts.defaults,
                                                                    .end_tokens = parts.end_tokens,
                                                                    .chat = parts.chat})),
      metrics_(parts.model),
      queue_(parts.queue, metrics_),
      started_(Now()),
      first_id_(Random()) {
  if (parts.checkpoints != nullptr && parts.loader != nullptr)
    loads_.emplace(
        LoadService::Parts{*parts.checkpoints, *parts.loader,
                           [this](ServedCheckpoint served) { Serve(std::move(served)); }});
}

void Service::Serve(ServedCheckpoint served) {
  metrics_.SetModel(served.name, served.checkpoint);
  const std::lock_guard lock(mutex_);
  served_ = std::make_shared<const ServedCheckpoint>(std::move(served));
}

Service::ServedPtr Service::served() const {
  const std::lock_guard lock(mutex_);
  return served_;
}

Json Service::ModelObject(const ServedCheckpoint& served) const {
  return {{"id", served.name},
          {"object", "model"},
          {"created", started_},
          {"owned_by", "lockstep"},
          {"root", served.checkpoint},
          {"parent", nullptr},
          {"max_model_len", spec_.context_tokens},
          {"dtype", std::string(Name(format_))}};
}

std::string Service::Models() const {
  return DumpJson({{"object", "list"}, {"data", Json::array({ModelObject(*served())})}});
}

std::string Service::Model(std::string_view name) const {
  const ServedPtr now = served();
  if (name == now->name) return DumpJson(ModelObject(*now));
  throw ApiError(404,
                 fmt::format("the model {} does not exist; this server has \"{}\"",
                             ShownJson(std::string(name)), now->name),
                 "model");
}

std::string Service::Version() const {
  return DumpJson({{"version", std::string(lockstep::Version())}});
}

std::string Service::MetricsText() const { return metrics_.Text(queue_.statistics()); }

std::string Service::Defaults() const {
  const ServedPtr now = served();
  return DumpJson({{"model", now->name},
                   {"max_model_len", spec_.context_tokens},
                   {"ranks", ranks_},
                   {"version", std::string(lockstep::Version())},
                   {"sampling", SamplingDefaults(RulesOf(*now, {}))}});
}

std::string Service::Tokenize(std::string_view body) const {
  const Json object = ObjectOf(body);
  const bool chats = FindField(object, "messages") != nullptr;
  const char* field = chats ? "messages" : "prompt";
  try {
    const auto prompt = FindString(object, "prompt", "the request");
    if (prompt.has_value() == chats)
      throw ApiError(400,
                     chats ? "the request has a prompt and messages; expected one of them"
                           : "prompt is missing; expected a text, or messages",
                     field);
    const auto tokens = tokenizer_.Encode(
        chats ? ReadChatPrompt(body, object, served()->chat, "give a prompt").text : *prompt);
    Json answer = {
        {"count", tokens.size()}, {"max_model_len", spec_.context_tokens}, {"tokens", tokens}};
    if (FlagField(object, "return_token_strs")) {
      answer["token_strs"] = Json::array();
      for (const std::int32_t token : tokens)
        answer["token_strs"].push_back(TokenText(tokenizer_, token));
    }
    return DumpJson(answer);
  } catch (const Error& error) {
    throw ApiError(400, error.what(), field);
  }
}

std::string Service::Detokenize(std::string_view body) const {
  const Json object = ObjectOf(body);
  const auto tokens = object.find("tokens");
  if (tokens == object.end() || !tokens->is_array())
    throw ApiError(400,
                   fmt::format("tokens is {}; expected a list of token ids",
                               tokens == object.end() ? "missing" : ShownJson(*tokens)),
                   "tokens");
  std::vector<std::int32_t> ids;
  for (const Json& one : *tokens) {
    // 3.0 is an id too, as in prompts.
    const double id = one.is_number() ? one.get<double>() : -1.0;
    if (!(id >= 0.0 && id < static_cast<double>(tokenizer_.vocab_size())) || std::floor(id) != id)
      throw ApiError(400,
                     fmt::format("tokens has {}; expected ids from 0 to {}", ShownJson(one),
                                 tokenizer_.vocab_size() - 1),
                     "tokens");
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return DumpJson({{"prompt", tokenizer_.Decode(ids, SpecialTokens::kKeep)}});
}

std::string Service::TokenizerInfo() const {
  Json info = {{"vocab_size", tokenizer_.vocab_size()}, {"model_max_length", spec_.context_tokens}};
  const ServedPtr now = served();
  if (now->end_tokens.empty()) return DumpJson(info);
  const std::int32_t end = now->end_tokens.front();
  info["eos_token"] = std::string(tokenizer_.TokenBytes(end));
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
void Service::RefuseIfBusy(ClientId client) const {
  if (const Refusal refusal = queue_.Refuse(client); refusal != Refusal::kNone)
    throw NotAccepted(refusal);
}

RequestRules Service::RulesOf(const ServedCheckpoint& served, const Asker& asker) const {
  return {.model = served.name,
          .defaults = served.defaults,
          .tokenizer = tokenizer_,
          .spec = spec_,
          .end_tokens = served.end_tokens,
          .client = asker.client};
}

ReplyParts Service::PartsOfReply(const ReplyName& name, const ServedCheckpoint& served) const {
  return {.tokenizer = tokenizer_,
          .id = name.id.empty() ? fmt::format("{}-{:016x}", name.kind, first_id_ + next_id_++)
                                : fmt::format("{}-{}", name.kind, name.id),
          .model = served.name,
          .created = Now()};
}

namespace {

// What never fits at once would be refused for ever.
void RefuseMoreThanFit(const ReadRequest& read, const Options& defaults, const char* field) {
  const std::int64_t count = std::ssize(read.request->prompts);
  const std::int64_t most = defaults.server.max_queue;
  if (count > most)
    throw ApiError(
        400,
        fmt::format("{} has {} texts; this server takes {} at a time (server.max_queue); "
                    "send them in several requests",
                    field, count, most),
        field);
}

}  // namespace

ReadRequest Service::ReadCompletion(std::string_view body, const Asker& asker) const {
  RefuseIfBusy(asker.client);
  const ServedPtr now = served();
  ReadRequest read =
      lockstep::ReadCompletion(body, RulesOf(*now, asker), PartsOfReply({"cmpl", asker.id}, *now));
  RefuseMoreThanFit(read, now->defaults, "prompt");
  return read;
}

ReadRequest Service::ReadChat(std::string_view body, const Asker& asker) const {
  RefuseIfBusy(asker.client);
  const ServedPtr now = served();
  return lockstep::ReadChat(body, RulesOf(*now, asker), now->chat,
                            PartsOfReply({"chatcmpl", asker.id}, *now));
}

ReadRequest Service::ReadEmbedding(std::string_view body, const Asker& asker) const {
  RefuseIfBusy(asker.client);
  const ServedPtr now = served();
  ReadRequest read = lockstep::ReadEmbedding(body, RulesOf(*now, asker));
  RefuseMoreThanFit(read, now->defaults, "input");
  return read;
}

std::unique_ptr<CompletionCall> Service::Begin(const ApiRequest& request,
                                               std::function<void()> notify, LogLabel label) const {
  return std::make_unique<CompletionCall>(queue_, request, std::move(notify), std::move(label));
}

std::unique_ptr<LoadCall> Service::BeginLoad(std::string_view body, std::function<void()> notify) {
  if (!loads_)
    throw ApiError(403, "this server does not load other weights; start it with --allow-load");
  if (draining_) throw NotAccepted(Refusal::kClosed);
  return loads_->Begin(body, std::move(notify));
}

}  // namespace lockstep
