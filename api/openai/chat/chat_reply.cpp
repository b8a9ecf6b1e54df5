#include "api/openai/chat/chat_reply.h"

#include <fmt/format.h>

#include <span>
#include <utility>

namespace lockstep {

ChatReply::ChatReply(const ChatRequest& request, ReplyParts parts)
    : request_(request),
      parts_(std::move(parts)),
      begun_(static_cast<std::size_t>(text().n)),
      prompt_tokens_(std::ssize(text().tokens)) {}

Json ChatReply::Head(const char* object) const {
  return {
      {"id", parts_.id}, {"object", object}, {"created", parts_.created}, {"model", parts_.model}};
}

Json ChatReply::Token(std::int32_t token, float logprob) const {
  Json bytes = Json::array();
  for (const char byte : parts_.tokenizer.TokenBytes(token))
    bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", request_.tokens_as_ids ? fmt::format("token_id:{}", token)
                                           : TokenText(parts_.tokenizer, token)},
          {"logprob", LogprobNumber(logprob)},
          {"bytes", std::move(bytes)}};
}

Json ChatReply::Logprobs(std::span<const TokenLogprob> tokens) const {
  if (!text().logprobs) return nullptr;
  Json content = Json::array();
  for (const TokenLogprob& one : tokens) {
    Json top = Json::array();
    for (const auto& [token, logprob] : one.likeliest) top.push_back(Token(token, logprob));
    content.push_back(Token(one.token, one.logprob));
    content.back()["top_logprobs"] = std::move(top);
  }
  return {{"content", std::move(content)}};
}

std::string ChatReply::Whole(std::span<const TextResult> results) const {
  Json reply = Head("chat.completion"), choices = Json::array();
  std::int64_t tokens = 0;
  for (const TextSample& sample : results.front().samples) {
    choices.push_back(
        {{"index", choices.size()},
         {"message", {{"role", request_.role}, {"content", sample.text}}},
         {"logprobs", Logprobs(sample.logprobs)},
         {"finish_reason", FinishName(sample.finish)},
         {"stop_reason", StopReason(text(), sample.finish, sample.stop,
                                    sample.tokens.empty() ? 0 : sample.tokens.back())}});
    if (request_.return_token_ids) choices.back()["token_ids"] = sample.tokens;
    tokens += std::ssize(sample.tokens);
  }
  reply["choices"] = std::move(choices);
  if (request_.return_token_ids) reply["prompt_token_ids"] = text().tokens;
  reply["usage"] = UsageOf(prompt_tokens_, tokens);
  return DumpJson(reply);
}

Json ChatReply::ChunkOf(std::size_t sample, Json delta) const {
  Json reply = Head("chat.completion.chunk");
  reply["choices"] = Json::array({{{"index", sample},
                                   {"delta", std::move(delta)},
                                   {"logprobs", nullptr},
                                   {"finish_reason", nullptr}}});
  if (request_.continuous_usage) reply["usage"] = UsageOf(prompt_tokens_, completion_tokens_);
  return reply;
}

std::string ChatReply::Opening(const KeptPiece& piece) {
  if (begun_[piece.sample]) return "";
  begun_[piece.sample] = true;
  Json reply = ChunkOf(piece.sample, {{"role", request_.role}, {"content", ""}});
  if (request_.return_token_ids) reply["prompt_token_ids"] = text().tokens;
  return DumpJson(reply);
}

std::string ChatReply::Chunk(std::size_t /*prompt*/, const KeptPiece& piece) {
  ++completion_tokens_;
  Json reply = ChunkOf(piece.sample, {{"content", piece.text}});
  Json& choice = reply["choices"][0];
  if (piece.logprob) choice["logprobs"] = Logprobs({&*piece.logprob, 1});
  choice["finish_reason"] = FinishName(piece.finish);
  choice["stop_reason"] = StopReason(text(), piece.finish, piece.stop, piece.token);
  if (request_.return_token_ids) choice["token_ids"] = std::span(&piece.token, 1);
  return DumpJson(reply);
}

std::string ChatReply::UsageChunk() const {
  Json reply = Head("chat.completion.chunk");
  reply["choices"] = Json::array();
  reply["usage"] = UsageOf(prompt_tokens_, completion_tokens_);
  return DumpJson(reply);
}

}  // namespace lockstep
