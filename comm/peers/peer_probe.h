#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "comm/collective.h"
#include "comm/groups/hosts.h"

namespace lockstep {

class LifeLines;

// What a rank waits in, and for whom.
struct PeerWait {
  int group = -1;  // tells groups of ranks apart, each of which numbers its calls by itself
  PeerCall call;
  std::vector<int> awaited;  // ranks of the world
};

// How the words of a probe travel between ranks of the world. Neither call waits.
class ProbeLink {
 public:
  struct Word {
    int from;
    std::vector<std::byte> bytes;
  };
  virtual ~ProbeLink() = default;
  virtual void Send(int to, std::span<const std::byte> word) = 0;
  virtual std::optional<Word> Receive() = 0;
};

// The one way in which ranks find out who holds them up: whoever waits answers "I live, and wait
// for rank X", whatever it waits in and in whatever memory or network, and whoever asks goes on to
// rank X. Who does not answer at the end is late; who waits for it is not.
//
// One for each process, for all its groups and transports. Not thread-safe: the thread that makes
// the collective calls.
class PeerProbe {
 public:
  // How long answers are awaited, at most: they are asked for so long before a deadline.
  static constexpr double kSeconds = 2;
  // From here on a rank that waits answers.
  static constexpr double kAnswerAfterSeconds = 0.25;
  // When it looks whether one is gone: after so long, and then so often.
  static constexpr double kGoneAfterSeconds = 0.3;
  static constexpr double kGoneEverySeconds = 0.5;
  // When one that waits until this deadline begins to ask.
  static double AskAfter(double deadline_seconds);

  // self: this process's rank in the world. link: null where it can ask nobody.
  explicit PeerProbe(int self, std::unique_ptr<ProbeLink> link = nullptr);
  ~PeerProbe();

  void set_hosts(HostMap hosts) { hosts_ = std::move(hosts); }
  // "rank 1 on node7"
  std::string Name(int rank) const;

  // A rank that is known to have ended, without being asked. Of a world that has life lines.
  std::optional<int> Gone();
  void set_life_lines(std::unique_ptr<LifeLines> lines);

  using Mine = std::function<PeerWait()>;
  // Answers those that have asked since. Call it often while this rank waits.
  void Answer(const Mine& mine);
  // The same for a rank that has given up a wait and is about to end.
  void Answer();
  // That wait. One that has asked until its deadline has told it already.
  void GiveUp(PeerWait wait) { last_ = std::move(wait); }
  // Answers, and asks whoever this rank waits for, then those that they wait for, and so on. Call
  // it often, from AskAfter() on.
  void Ask(const Mine& mine);

  struct Findings {
    std::vector<int> silent;          // at the ends of the ways from this rank's wait
    std::map<int, PeerWait> answers;  // of all others on them
  };
  Findings Find(const PeerWait& mine) const;

 private:
  void Take(const ProbeLink::Word& word, const Mine& mine);
  std::set<int> Reached(const PeerWait& mine) const;

  int self_;
  std::unique_ptr<ProbeLink> link_;
  std::unique_ptr<LifeLines> life_lines_;
  HostMap hosts_;
  PeerWait last_;               // what this rank has asked about, or given up
  std::uint64_t question_ = 0;  // answers to earlier ones are of no use
  std::set<int> asked_;
  std::map<int, PeerWait> answers_;
};

}  // namespace lockstep
