#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace lockstep {

// Where the ranks that SpawnWorld() has started leave word about themselves, so that their
// parent can say who died and what it was doing. Shared memory of the parent without a name in
// any file system: nothing is left behind whoever is killed. Ranks on other hosts have none.

enum class RankState : std::uint32_t {
  kAbsent,    // has not joined yet
  kRunning,   // has joined
  kReported,  // has failed and said why
  kDone       // has left the world in good order
};

struct RankSlot {
  std::atomic<RankState> state;
  std::atomic<std::int32_t> process;       // its id; 0: has not started, or is on another host
  std::atomic<std::uint32_t> told_to_end;  // by mpirun: did not die by itself
  std::atomic<std::int32_t> signal;        // asked it to stop, and was not mpirun's; 0: none
  std::atomic<std::int32_t> exit_code;     // once it has reported or is done
  char host[128];
  char activity[256];
};

class RankBoard {
 public:
  // The parent's: ranks >= 1 empty slots. Throws EnvironmentError when there is no memory.
  static std::unique_ptr<RankBoard> Create(int ranks);
  // A rank's: the board that kVariable names; null when there is none or it is out of reach.
  static std::unique_ptr<RankBoard> OpenFromEnvironment();
  ~RankBoard();
  RankBoard(const RankBoard&) = delete;
  RankBoard& operator=(const RankBoard&) = delete;

  // The environment variable that ranks find the board by; it also marks them as spawned by us.
  static constexpr const char* kVariable = "LOCKSTEP_RANK_BOARD";

  // What to set kVariable to in the ranks' environment.
  const std::string& address() const { return address_; }
  int ranks() const;
  pid_t parent() const;  // the process that created the board
  RankSlot& slot(int rank) const;

  // Set once the world has been asked to stop, for ranks that hear no signal themselves.
  std::atomic<std::uint32_t>& stop() const;

 private:
  struct Layout;
  RankBoard(int descriptor, Layout* layout);

  int descriptor_;
  Layout* layout_;
  std::string address_;
};

// Cuts the text to the field; always leaves it terminated, even while a reader looks.
template <std::size_t N>
void WriteField(char (&field)[N], std::string_view text) {
  const std::size_t length = text.size() < N - 1 ? text.size() : N - 1;
  for (std::size_t i = 0; i < length; ++i) field[i] = text[i];
  field[length] = '\0';
}

}  // namespace lockstep
