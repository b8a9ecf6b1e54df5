#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/message_bytes.h"
#include "serving/request_queue.h"
#include "text/text_request.h"

namespace lockstep {

// Values as bytes, for the two ends of a socket, which are the same program. Fields() says once
// what a type is made of, for both directions; its structured binding stops the build when the type
// gets another field. Numbers and what consists of them without gaps go byte by byte: between the
// fields of others there are bytes that nobody has set.
template <typename T>
constexpr bool kGoesAsBytes =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::has_unique_object_representations_v<T>;

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, SamplingParams>
auto Fields(T& value) {
  auto& [max_new_tokens, temperature, top_k, top_p, min_p, seed, stream, ignore_eos,
         repetition_penalty, presence_penalty, frequency_penalty, logit_bias, allowed_tokens,
         banned_tokens, min_tokens, stop_tokens] = value;
  return std::tie(max_new_tokens, temperature, top_k, top_p, min_p, seed, stream, ignore_eos,
                  repetition_penalty, presence_penalty, frequency_penalty, logit_bias,
                  allowed_tokens, banned_tokens, min_tokens, stop_tokens);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, BeamOptions>
auto Fields(T& value) {
  auto& [num_beams, length_penalty, early_stopping] = value;
  return std::tie(num_beams, length_penalty, early_stopping);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, TextRequest>
auto Fields(T& value) {
  auto& [task, prompt, tokens, sampling, stop, include_stop, n, best_of, beams, priority, client,
         logprobs, prompt_logprobs, context_tokens, pooling, reached, arrived] = value;
  return std::tie(task, prompt, tokens, sampling, stop, include_stop, n, best_of, beams, priority,
                  client, logprobs, prompt_logprobs, context_tokens, pooling, reached, arrived);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, ReachedText>
auto Fields(T& value) {
  auto& [samples, prompt_logprobs] = value;
  return std::tie(samples, prompt_logprobs);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, ReachedText::Sample>
auto Fields(T& value) {
  auto& [tokens, logprobs] = value;
  return std::tie(tokens, logprobs);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, TokenLogprob>
auto Fields(T& value) {
  auto& [token, logprob, top, likeliest] = value;
  return std::tie(token, logprob, top, likeliest);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, KeptPiece>
auto Fields(T& value) {
  auto& [sample, text, token, logprob, prompt_logprobs, finish, stop] = value;
  return std::tie(sample, text, token, logprob, prompt_logprobs, finish, stop);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, TextSample>
auto Fields(T& value) {
  auto& [text, tokens, finish, logprobs, score, stop] = value;
  return std::tie(text, tokens, finish, logprobs, score, stop);
}

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, TextResult>
auto Fields(T& value) {
  auto& [samples, prompt_logprobs, embedding, error] = value;
  return std::tie(samples, prompt_logprobs, embedding, error);
}

template <typename T>
void Pack(MessageWriter& to, const T& value);
template <typename T>
void Unpack(MessageReader& from, T& value);

inline void Pack(MessageWriter& to, const std::string& text) { to.PutText(text); }
inline void Unpack(MessageReader& from, std::string& text) { text = from.GetText(); }

template <typename A, typename B>
void Pack(MessageWriter& to, const std::pair<A, B>& pair) {
  Pack(to, pair.first);
  Pack(to, pair.second);
}
template <typename A, typename B>
void Unpack(MessageReader& from, std::pair<A, B>& pair) {
  Unpack(from, pair.first);
  Unpack(from, pair.second);
}

template <typename T>
void Pack(MessageWriter& to, const std::optional<T>& value) {
  to.Put(static_cast<std::uint8_t>(value ? 1 : 0));
  if (value) Pack(to, *value);
}
template <typename T>
void Unpack(MessageReader& from, std::optional<T>& value) {
  value.reset();
  if (from.Get<std::uint8_t>() != 0) Unpack(from, value.emplace());
}

template <typename T>
void Pack(MessageWriter& to, const std::vector<T>& list) {
  if constexpr (kGoesAsBytes<T>) {
    to.PutList(list);
  } else {
    to.PutCount(list.size());
    for (const T& one : list) Pack(to, one);
  }
}
template <typename T>
void Unpack(MessageReader& from, std::vector<T>& list) {
  if constexpr (kGoesAsBytes<T>) {
    list = from.GetList<T>();
  } else {
    list.resize(from.GetCount(1));
    for (T& one : list) Unpack(from, one);
  }
}

template <typename T>
void Pack([[maybe_unused]] MessageWriter& to, [[maybe_unused]] const T& value) {
  if constexpr (kGoesAsBytes<T>)
    to.Put(value);
  else if constexpr (!std::is_empty_v<T>)
    std::apply([&](const auto&... fields) { (Pack(to, fields), ...); }, Fields(value));
}
template <typename T>
void Unpack([[maybe_unused]] MessageReader& from, [[maybe_unused]] T& value) {
  if constexpr (kGoesAsBytes<T>)
    value = from.Get<T>();
  else if constexpr (!std::is_empty_v<T>)
    std::apply([&](auto&... fields) { (Unpack(from, fields), ...); }, Fields(value));
}

}  // namespace lockstep
