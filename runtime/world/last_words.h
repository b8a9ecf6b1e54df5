#pragma once

#include <string>
#include <string_view>

#include "runtime/world/rank_board.h"

namespace lockstep {

// What a rank on another host was doing when it was killed. It does not see the board of the
// process that has started the world, so a child of it waits for its end, and then tells that
// process in a datagram. Where that is lost, a message says less, and nothing else is different.

// The environment variable by which ranks find an inbox.
inline constexpr const char* kLastWordsVariable = "LOCKSTEP_LAST_WORDS";

// Of the process that starts the world. Not thread-safe.
class LastWordsInbox {
 public:
  // Open, where this host has a network.
  LastWordsInbox();
  ~LastWordsInbox();
  LastWordsInbox(const LastWordsInbox&) = delete;
  LastWordsInbox& operator=(const LastWordsInbox&) = delete;

  // What to set kLastWordsVariable to; "" where there is no network.
  const std::string& address() const { return address_; }
  // To wait for; -1 where there is no network.
  int descriptor() const { return socket_; }
  // Takes what has come: the host and the activity of ranks that the board knows nothing of.
  void Receive(const RankBoard& board);

 private:
  int socket_ = -1;
  std::uint64_t secret_[2] = {};
  std::string address_;
};

// Of a rank, from before it has any threads until its end. Nothing where no inbox is named.
class LastWords {
 public:
  explicit LastWords(int rank);
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  // Whether the process that has started the world will be told.
  bool has_reader() const { return shared_ != nullptr; }

  // Nobody has to ask for more: it has said why it ends, or ends in good order.
  void Withhold();
  // On the thread that changes it.
  void SetActivity(std::string_view what);

 private:
  struct Shared;
  Shared* shared_ = nullptr;  // with the child; until the process ends
};

}  // namespace lockstep
