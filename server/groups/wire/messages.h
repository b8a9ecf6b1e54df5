#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/error.h"
#include "server/groups/wire/packing.h"
#include "serving/request_queue.h"
#include "text/text_request.h"

namespace lockstep {

// What the server and rank 0 of a group of ranks tell each other. Tickets are the server's.

// To the group.
struct SubmitMessage {
  Ticket ticket = 0;
  TextRequest request;
};
struct CancelMessage {
  Ticket ticket = 0;
};
struct LeaveMessage {};  // once all is answered
// About the weights of another checkpoint, once nothing is in flight (serving/weight_exchange.h).
// Each but kDrop is answered.
enum class WeightsStep : std::uint8_t { kRead, kSwitch, kDrop };
struct WeightsMessage {
  WeightsStep step = WeightsStep::kRead;
  std::string checkpoint;
};
using ToGroup = std::variant<SubmitMessage, CancelMessage, LeaveMessage, WeightsMessage>;

// From the group.
struct ReadyMessage {};  // the model is loaded
struct BeatMessage {     // rank 0 lives; now and then
  EngineStatus engine;
};
struct BegunMessage {  // its first step begins
  Ticket ticket = 0;
};
struct PieceMessage {
  Ticket ticket = 0;
  KeptPiece piece;
};
struct ResultMessage {
  Ticket ticket = 0;
  TextResult result;
};
struct FailureMessage {
  Ticket ticket = 0;
  ExitCode code = ExitCode::kInternal;
  std::string message;
};
struct WeightsDoneMessage {
  ExitCode code = ExitCode::kOk;  // else the weights are those before, on all ranks
  std::string message;
  double seconds = 0.0;  // that it took
};
using FromGroup = std::variant<ReadyMessage, BeatMessage, PieceMessage, ResultMessage,
                               FailureMessage, BegunMessage, WeightsDoneMessage>;

template <typename T>
requires std::is_same_v<std::remove_const_t<T>, SubmitMessage>
auto Fields(T& value) {
  auto& [ticket, request] = value;
  return std::tie(ticket, request);
}
template <typename T>
requires std::is_same_v<std::remove_const_t<T>, PieceMessage>
auto Fields(T& value) {
  auto& [ticket, piece] = value;
  return std::tie(ticket, piece);
}
template <typename T>
requires std::is_same_v<std::remove_const_t<T>, ResultMessage>
auto Fields(T& value) {
  auto& [ticket, result] = value;
  return std::tie(ticket, result);
}
template <typename T>
requires std::is_same_v<std::remove_const_t<T>, FailureMessage>
auto Fields(T& value) {
  auto& [ticket, code, message] = value;
  return std::tie(ticket, code, message);
}
template <typename T>
requires std::is_same_v<std::remove_const_t<T>, WeightsMessage>
auto Fields(T& value) {
  auto& [step, checkpoint] = value;
  return std::tie(step, checkpoint);
}
template <typename T>
requires std::is_same_v<std::remove_const_t<T>, WeightsDoneMessage>
auto Fields(T& value) {
  auto& [code, message, seconds] = value;
  return std::tie(code, message, seconds);
}

// One of the alternatives: its number, then its fields.
template <typename... Kinds>
std::vector<std::byte> Encode(const std::variant<Kinds...>& message) {
  MessageWriter to;
  to.Put(static_cast<std::uint8_t>(message.index()));
  std::visit([&](const auto& kind) { Pack(to, kind); }, message);
  return to.Take();
}

// Throws Error(kInternal) where the bytes are no such message.
template <typename Message>
Message Decode(std::span<const std::byte> bytes) {
  MessageReader from(bytes);
  const std::size_t index = from.Get<std::uint8_t>();
  Message message;
  const auto read = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
    if (I == index) Unpack(from, message.template emplace<I>());
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    LOCKSTEP_CHECK(index < sizeof...(I), "a message of kind {}", index);
    (read(std::integral_constant<std::size_t, I>()), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Message>>());
  from.End();
  return message;
}

}  // namespace lockstep
