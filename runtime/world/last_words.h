#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/world/rank_board.h"

namespace lockstep {

// What a rank was doing when it was killed, where no board is in reach that says so. A child of it
// waits for its end, and then tells
// - the process of ours that has started the world, from another host, in a datagram. Where that is
//   lost, a message says less, and nothing else is different;
// - the user, on the rank's standard error, where mpirun or srun has started the world by itself.
//   Those that the launcher ends are no news: the child stays in the rank's group of processes,
//   which the launcher asks to end before it kills.

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

// Of a rank, from before it has any threads until its end. One for each process.
class LastWords {
 public:
  // Who is told where no inbox is named.
  enum class Else : std::uint8_t { kNobody, kStandardError };
  explicit LastWords(int rank, Else otherwise = Else::kNobody);
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  // Whether the process that has started the world will be told.
  bool has_inbox() const { return has_inbox_; }

  // Nobody has to ask for more: it has said why it ends, or ends in good order. std::quick_exit()
  // and signals that ask it to end do the same for words on standard error.
  void Withhold();
  // On the thread that changes it.
  void SetActivity(std::string_view what);

 private:
  struct Shared;
  Shared* shared_ = nullptr;  // with the child; until the process ends
  bool has_inbox_ = false;
};

}  // namespace lockstep
