#include "comm/shared/shared_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <chrono>

#include "core/error.h"
#include "core/threads/futex.h"

namespace lockstep {
namespace {

constexpr std::uint64_t kMagic = 0x6c6f636b2d73686d;  // "lock-shm"
constexpr std::chrono::milliseconds kCounterNap(50);

static_assert(std::endian::native == std::endian::little, "a futex is the low half of a counter");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "no locks between processes");

// The word the kernel compares: the low half, whose changes are all it needs to see.
const std::uint32_t* FutexWord(const std::atomic<std::uint64_t>& value) {
  return reinterpret_cast<const std::uint32_t*>(&value);
}

struct flock LockOf(int rank) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = rank;
  lock.l_len = 1;
  return lock;
}

Error Unavailable(const char* what) {
  return EnvironmentError("shared memory for the ranks of this host: {}: {}", what,
                          ::strerror(errno));
}

std::uint64_t RandomToken() {
  std::uint64_t token = 0;
  if (::getrandom(&token, sizeof(token), 0) != sizeof(token)) throw Unavailable("getrandom");
  return token;
}

// A file that would grow beyond what the user allows kills the process by a signal.
bool FileMayHave(std::uint64_t bytes) {
  struct rlimit limit {};
  return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
         limit.rlim_cur >= bytes;
}

}  // namespace

void SharedCounter::Raise(std::uint64_t value) {
  // Both in one total order with the sleeper's two steps: one of us sees the other.
  value_.store(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  FutexWakeAll(FutexWord(value_), FutexScope::kShared);
}

void SharedCounter::SleepWhile(std::uint64_t seen) const {
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  if (value_.load(std::memory_order_seq_cst) == seen) {
    FutexSleep(FutexWord(value_), static_cast<std::uint32_t>(seen), FutexScope::kShared,
               kCounterNap);
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

// Followed by one Letterbox for each rank, and one MessageSlot for each pair of them.
struct alignas(128) SharedSegment::Header {
  std::uint64_t magic;
  std::uint64_t token;
  std::uint64_t ranks;

  Letterbox* letterboxes() { return reinterpret_cast<Letterbox*>(this + 1); }
  MessageSlot* slots() { return reinterpret_cast<MessageSlot*>(letterboxes() + ranks); }
  static std::size_t Bytes(std::uint64_t ranks) {
    return sizeof(Header) + ranks * sizeof(Letterbox) + ranks * ranks * sizeof(MessageSlot);
  }
};

std::shared_ptr<SharedSegment> SharedSegment::Create(int ranks) {
  LOCKSTEP_CHECK(ranks >= 1, "a segment for {} ranks", ranks);
  const int descriptor = ::memfd_create("lockstep-ranks", MFD_CLOEXEC);
  if (descriptor < 0) throw Unavailable("memfd_create");
  const std::shared_ptr<SharedSegment> segment(
      new SharedSegment(descriptor, {::getpid(), descriptor, RandomToken()}));
  const auto count = static_cast<std::uint64_t>(ranks);
  const std::uint64_t bytes = (count + 1) * kArenaBytes;
  if (!FileMayHave(bytes)) {
    throw EnvironmentError(
        "shared memory for the ranks of this host: the limit on file sizes forbids it; use "
        "`ulimit -f unlimited`");
  }
  if (::ftruncate(descriptor, static_cast<off_t>(bytes)) != 0) throw Unavailable("ftruncate");
  segment->header_bytes_ = Header::Bytes(count);
  // The memory is zero, which is how all counters begin.
  auto* header = reinterpret_cast<Header*>(segment->Map(0, segment->header_bytes_));
  segment->header_ = header;
  header->magic = kMagic;
  header->token = segment->address_.token;
  header->ranks = count;
  return segment;
}

std::shared_ptr<SharedSegment> SharedSegment::Open(const Address& address) {
  const auto path = fmt::format("/proc/{}/fd/{}", address.process, address.descriptor);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) throw Unavailable(path.c_str());
  const std::shared_ptr<SharedSegment> segment(new SharedSegment(descriptor, address));
  struct stat status {};
  std::uint64_t start[3] = {};  // of the header: magic, token, ranks
  const bool ours = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                    ::pread(descriptor, start, sizeof(start), 0) == sizeof(start) &&
                    start[0] == kMagic && start[1] == address.token;
  if (!ours) {
    throw EnvironmentError(
        "shared memory for the ranks of this host: {} is something else, so the ranks run in "
        "different containers",
        path);
  }
  segment->header_bytes_ = Header::Bytes(start[2]);
  segment->header_ = reinterpret_cast<Header*>(segment->Map(0, segment->header_bytes_));
  return segment;
}

SharedSegment::SharedSegment(int descriptor, Address address)
    : descriptor_(descriptor), address_(address) {}

SharedSegment::~SharedSegment() {
  for (const auto& [begin, piece] : pieces_) ::munmap(piece.first, piece.second);
  if (header_ != nullptr) ::munmap(header_, header_bytes_);
  ::close(descriptor_);
}

int SharedSegment::ranks() const { return static_cast<int>(header_->ranks); }

Letterbox& SharedSegment::letterbox(int rank) const {
  LOCKSTEP_CHECK(rank >= 0 && rank < ranks(), "rank {} of {}", rank, ranks());
  return header_->letterboxes()[rank];
}

MessageSlot& SharedSegment::slot(int from, int to) const {
  LOCKSTEP_CHECK(from >= 0 && from < ranks() && to >= 0 && to < ranks(), "ranks {} and {} of {}",
                 from, to, ranks());
  return header_->slots()[from * ranks() + to];
}

std::uint64_t SharedSegment::ArenaBegin(int rank) const {
  return (static_cast<std::uint64_t>(rank) + 1) * kArenaBytes;
}

std::byte* SharedSegment::At(const SharedPlace& place) {
  const std::lock_guard lock(mutex_);
  auto& [memory, bytes] = pieces_[place.piece];
  if (memory == nullptr) {
    memory = Map(place.piece, place.piece_bytes);
    bytes = place.piece_bytes;
  }
  LOCKSTEP_CHECK(place.offset <= bytes && bytes == place.piece_bytes, "a place outside its piece");
  return memory + place.offset;
}

std::byte* SharedSegment::Map(std::uint64_t begin, std::uint64_t bytes) const {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_,
                        static_cast<off_t>(begin));
  if (memory == MAP_FAILED) throw Unavailable("mmap");
  return static_cast<std::byte*>(memory);
}

// The mark is a lock on one byte of the file. The kernel takes it away when the last descriptor
// of its description is closed, which death does. Hence a description of its own.
SharedSegment::Presence::Presence(const SharedSegment& segment, int rank)
    : descriptor_(::open(fmt::format("/proc/self/fd/{}", segment.descriptor_).c_str(),
                         O_RDWR | O_CLOEXEC)) {
  struct flock lock = LockOf(rank);
  if (descriptor_ < 0 || ::fcntl(descriptor_, F_OFD_SETLK, &lock) != 0) {
    const Error error = Unavailable("the mark of a living rank");
    if (descriptor_ >= 0) ::close(descriptor_);
    throw error;
  }
}

SharedSegment::Presence::~Presence() { ::close(descriptor_); }

bool SharedSegment::Presence::IsGone(int rank) const {
  struct flock lock = LockOf(rank);
  return ::fcntl(descriptor_, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

}  // namespace lockstep
