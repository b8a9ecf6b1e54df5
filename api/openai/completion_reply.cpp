#include "api/openai/completion_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace lockstep {
namespace {

std::int64_t Characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// One token of vLLM's prompt_logprobs. Its rank is known where it is one of the likeliest.
Json RankedLogprob(float logprob, Json rank, const std::string& text) {
  return {{"logprob", LogprobNumber(logprob)}, {"rank", std::move(rank)}, {"decoded_token", text}};
}

// Of the prompt's tokens more may have been computed than one of the two fields has asked for.
template <typename T>
std::span<const T> FirstOf(const std::vector<T>& likeliest, std::int64_t wanted) {
  return std::span(likeliest).first(
      std::min(likeliest.size(), static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0))));
}

// Different tokens may have one text: the likelier one counts.
void Keep(const std::string& text, float logprob, Json& top) {
  const auto found = top.find(text);
  if (found != top.end() && found->get<double>() >= static_cast<double>(logprob)) return;
  top[text] = LogprobNumber(logprob);
}

}  // namespace

CompletionReply::CompletionReply(const CompletionRequest& request, ReplyParts parts)
    : request_(request), parts_(std::move(parts)) {
  const auto& prompts = request_.prompts;
  for (const LineRequest& one : prompts) prompt_tokens_ += std::ssize(one.request.tokens);
  choices_.resize(prompts.size() * static_cast<std::size_t>(prompts.front().request.n));
}

bool CompletionReply::has_logprobs() const {
  return request_.prompts.front().request.logprobs.has_value();
}

// Of a prompt alone no token is wanted: what ended the one that no step goes without is not told.
FinishReason CompletionReply::FinishOf(FinishReason finish) const {
  const bool ended = finish != FinishReason::kNone;
  return ended && request_.prompt_only ? FinishReason::kLength : finish;
}

Json CompletionReply::Head() const {
  return {{"id", parts_.id},
          {"object", "text_completion"},
          {"created", parts_.created},
          {"model", parts_.model}};
}

Json CompletionReply::ToJson(Logprobs arrays) {
  return {{"tokens", std::move(arrays.tokens)},
          {"token_logprobs", std::move(arrays.token_logprobs)},
          {"top_logprobs", std::move(arrays.top_logprobs)},
          {"text_offset", std::move(arrays.text_offset)}};
}

std::string CompletionReply::NameOf(std::int32_t token) const {
  if (request_.tokens_as_ids) return fmt::format("token_id:{}", token);
  return TokenText(parts_.tokenizer, token);
}

void CompletionReply::AddIds(std::size_t prompt, std::span<const std::int32_t> tokens, bool first,
                             Json& choice) const {
  if (!request_.return_token_ids) return;
  choice["token_ids"] = request_.prompt_only ? std::span<const std::int32_t>() : tokens;
  if (first) choice["prompt_token_ids"] = request_.prompts[prompt].request.tokens;
}

void CompletionReply::AddPromptLogprobs(std::span<const TokenLogprob> prompt_logprobs,
                                        Json& choice) const {
  if (!request_.prompt_logprobs) return;
  Json places = Json::array({nullptr});  // nothing stands before the first token
  for (const TokenLogprob& one : prompt_logprobs) {
    Json place = Json::object();
    place[std::to_string(one.token)] =
        RankedLogprob(one.logprob, one.token == one.top ? Json(1) : Json(),
                      TokenText(parts_.tokenizer, one.token));
    std::int64_t rank = 0;
    for (const auto& [token, logprob] : FirstOf(one.likeliest, *request_.prompt_logprobs))
      place[std::to_string(token)] =
          RankedLogprob(logprob, ++rank, TokenText(parts_.tokenizer, token));
    places.push_back(std::move(place));
  }
  choice["prompt_logprobs"] = std::move(places);
}

void CompletionReply::Add(const TokenLogprob& one, std::int64_t& offset, Logprobs& to) const {
  const std::string text = TokenText(parts_.tokenizer, one.token);
  Json top = Json::object();
  const std::int64_t wanted = request_.prompts.front().request.logprobs.value_or(0);
  for (const auto& [token, logprob] : FirstOf(one.likeliest, wanted))
    Keep(NameOf(token), logprob, top);
  Keep(NameOf(one.token), one.logprob, top);
  to.tokens.push_back(NameOf(one.token));
  to.token_logprobs.push_back(LogprobNumber(one.logprob));
  to.top_logprobs.push_back(std::move(top));
  to.text_offset.push_back(offset);
  offset += Characters(text);
}

// The first token has nothing before it that it could follow on.
void CompletionReply::AddPrompt(std::size_t prompt, std::span<const TokenLogprob> logprobs,
                                std::int64_t& offset, Logprobs& to) const {
  const std::int32_t first = request_.prompts[prompt].request.tokens.front();
  to.tokens.push_back(NameOf(first));
  to.token_logprobs.push_back(nullptr);
  to.top_logprobs.push_back(nullptr);
  to.text_offset.push_back(offset);
  offset += Characters(TokenText(parts_.tokenizer, first));
  for (const TokenLogprob& one : logprobs) Add(one, offset, to);
}

Json CompletionReply::WholeChoice(std::size_t prompt, const TextSample& sample,
                                  std::span<const TokenLogprob> prompt_logprobs) const {
  const bool echo = request_.echo;
  Json logprobs;
  if (has_logprobs()) {
    Logprobs arrays;
    std::int64_t offset = 0;
    if (echo) AddPrompt(prompt, prompt_logprobs, offset, arrays);
    if (!request_.prompt_only)
      for (const TokenLogprob& one : sample.logprobs) Add(one, offset, arrays);
    logprobs = ToJson(std::move(arrays));
  }
  const FinishReason finish = FinishOf(sample.finish);
  Json choice = {
      {"text", (echo ? request_.texts[prompt] : "") + (request_.prompt_only ? "" : sample.text)},
      {"logprobs", std::move(logprobs)},
      {"finish_reason", FinishName(finish)},
      {"stop_reason", StopReason(request_.prompts[prompt].request, finish, sample.stop,
                                 sample.tokens.empty() ? 0 : sample.tokens.back())}};
  AddIds(prompt, sample.tokens, true, choice);
  AddPromptLogprobs(prompt_logprobs, choice);
  return choice;
}

std::string CompletionReply::Whole(std::span<const TextResult> results) const {
  Json reply = Head(), choices = Json::array();
  std::int64_t tokens = 0;
  for (std::size_t prompt = 0; prompt < results.size(); ++prompt) {
    for (const TextSample& sample : results[prompt].samples) {
      Json choice = WholeChoice(prompt, sample, results[prompt].prompt_logprobs);
      choice["index"] = choices.size();
      choices.push_back(std::move(choice));
      if (!request_.prompt_only) tokens += std::ssize(sample.tokens);
    }
  }
  reply["choices"] = std::move(choices);
  reply["usage"] = UsageOf(prompt_tokens_, tokens);
  return DumpJson(reply);
}

std::string CompletionReply::Chunk(std::size_t prompt, const KeptPiece& piece) {
  const auto n = static_cast<std::size_t>(request_.prompts.front().request.n);
  const std::size_t index = prompt * n + piece.sample;
  Choice& choice = choices_[index];
  const bool first = !std::exchange(choice.begun, true);
  const bool echoes = request_.echo && first;
  const bool prompt_only = request_.prompt_only;
  const std::string text = (echoes ? request_.texts[prompt] : "") + (prompt_only ? "" : piece.text);
  if (!prompt_only) ++completion_tokens_;
  Json logprobs;
  if (piece.logprob) {
    Logprobs arrays;
    if (echoes) AddPrompt(prompt, piece.prompt_logprobs, choice.text_offset, arrays);
    if (!prompt_only) Add(*piece.logprob, choice.text_offset, arrays);
    logprobs = ToJson(std::move(arrays));
  }
  const FinishReason finish = FinishOf(piece.finish);
  Json made = {{"index", index},
               {"text", text},
               {"logprobs", std::move(logprobs)},
               {"finish_reason", FinishName(finish)},
               {"stop_reason",
                StopReason(request_.prompts[prompt].request, finish, piece.stop, piece.token)}};
  AddIds(prompt, std::span(&piece.token, 1), first, made);
  // Come with the first piece of the first sample.
  if (first && piece.sample == 0) AddPromptLogprobs(piece.prompt_logprobs, made);
  Json reply = Head();
  reply["choices"] = Json::array({std::move(made)});
  if (request_.continuous_usage) reply["usage"] = UsageOf(prompt_tokens_, completion_tokens_);
  return DumpJson(reply);
}

std::string CompletionReply::UsageChunk() const {
  Json reply = Head();
  reply["choices"] = Json::array();
  reply["usage"] = UsageOf(prompt_tokens_, completion_tokens_);
  return DumpJson(reply);
}

}  // namespace lockstep
