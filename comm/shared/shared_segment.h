#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace lockstep {

// A counter in shared memory that one rank raises and its peers wait for. Alone on its cache
// lines with what is published by raising it. Thread safety: one thread of one rank raises it, all
// others may wait.
class SharedCounter {
 public:
  // Everything written before Raise() is visible to whoever sees the new value.
  void Raise(std::uint64_t value);
  std::uint64_t value() const { return value_.load(std::memory_order_acquire); }
  // Sleeps until the counter leaves `seen`, or for a moment: callers look again anyway.
  void SleepWhile(std::uint64_t seen) const;

 private:
  std::atomic<std::uint64_t> value_;
  mutable std::atomic<std::uint32_t> sleepers_;
};

// Where something lies in the segment. Pieces are what is mapped at once.
struct SharedPlace {
  std::uint64_t piece = 0;  // offset of the piece in the file
  std::uint64_t piece_bytes = 0;
  std::uint64_t offset = 0;  // in the piece
};

// What a rank tells its peers when it enters a collective.
struct alignas(128) SharedPost {
  SharedCounter number;  // of the collective
  std::uint64_t bytes;
  SharedPlace place;  // of the message; unused where it fits into Letterbox::inlined
  std::uint32_t collective;
};

// Everything a rank tells its peers. Only that rank writes, except SharedCounter's sleepers.
// There are two posts because a peer may still read that of the last collective.
struct Letterbox {
  static constexpr std::size_t kInlinedBytes = 8192;

  SharedPost posts[2];              // of collective n: posts[n % 2]
  alignas(128) SharedCounter done;  // the last collective whose share of the work is done
  // Whether it looks for a core wherever one is free: those that wait must not keep theirs busy.
  alignas(128) std::atomic<bool> roams;
  alignas(128) std::byte inlined[2][kInlinedBytes];  // short messages, beside posts
};

// Messages of one rank to another, one at a time: the next one is put here when the receiver has
// taken the last.
struct alignas(128) MessageSlot {
  static constexpr std::size_t kInlinedBytes = 4096;

  SharedCounter sent;  // how many
  std::uint64_t bytes;
  SharedPlace place;                 // of the message; unused where it fits into `inlined`
  alignas(128) SharedCounter taken;  // how many; raised by the receiver
  alignas(128) std::byte inlined[kInlinedBytes];
};

// Memory that the ranks of one host share. It has no name in any file system, so nothing is left
// behind whoever is killed, and it takes memory only where it is touched: each rank has an
// arena of kArenaBytes of addresses, of which pieces are mapped when they are first needed.
// Thread safety: every call may come from any thread; a Presence is made and destroyed by one.
class SharedSegment {
 public:
  static constexpr std::uint64_t kArenaBytes = std::uint64_t{1} << 40;

  // How others of this host find a segment.
  struct Address {
    pid_t process;
    int descriptor;
    std::uint64_t token;  // random: tells it from a file that happens to be found there
  };

  // Throw EnvironmentError. Opening fails where the creator's process cannot be seen, as from
  // another container on the same host.
  static std::shared_ptr<SharedSegment> Create(int ranks);
  static std::shared_ptr<SharedSegment> Open(const Address& address);
  ~SharedSegment();
  SharedSegment(const SharedSegment&) = delete;
  SharedSegment& operator=(const SharedSegment&) = delete;

  int ranks() const;
  const Address& address() const { return address_; }
  Letterbox& letterbox(int rank) const;
  MessageSlot& slot(int from, int to) const;

  // Where the arena of a rank begins in the file.
  std::uint64_t ArenaBegin(int rank) const;
  // The memory at a place. Maps its piece at first sight; mapped pieces stay.
  std::byte* At(const SharedPlace& place);

  // A rank's mark that it lives. It goes away with its owner, however that ends, and at once.
  class Presence {
   public:
    Presence(const SharedSegment& segment, int rank);
    ~Presence();
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;
    // Whether another rank, which has once been there, is gone.
    bool IsGone(int rank) const;

   private:
    int descriptor_;
  };

 private:
  struct Header;
  SharedSegment(int descriptor, Address address);
  std::byte* Map(std::uint64_t begin, std::uint64_t bytes) const;

  int descriptor_;
  Address address_;
  Header* header_ = nullptr;
  std::size_t header_bytes_ = 0;
  std::mutex mutex_;
  std::map<std::uint64_t, std::pair<std::byte*, std::uint64_t>> pieces_;  // by offset in the file
};

}  // namespace lockstep
