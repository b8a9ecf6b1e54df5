#include "runtime/world/rank_board.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::uint64_t kMagic = 0x6c6f636b73746570;  // "lockstep"
constexpr int kMaxRanks = 4096;

// Memory that the ranks can open by this process's descriptor; -1 when there is none.
int AnonymousFile() {
  const int memory = ::memfd_create("lockstep-ranks", MFD_CLOEXEC);
  if (memory >= 0) return memory;
  // Some containers forbid that. A file that has no name does as well.
  const char* folder = std::getenv("TMPDIR");
  for (const char* place : {"/dev/shm", folder != nullptr ? folder : "/tmp", "/var/tmp"}) {
    const int file = ::open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) return file;
  }
  return -1;
}

}  // namespace

struct RankBoard::Layout {
  std::uint64_t magic;
  std::uint64_t ranks;
  std::int64_t parent;
  std::atomic<std::uint32_t> stop;
  RankSlot slots[kMaxRanks];  // only the first `ranks` are ever touched
};

std::unique_ptr<RankBoard> RankBoard::Create(int ranks) {
  if (ranks > kMaxRanks) throw BadInput("{} ranks; use at most {}", ranks, kMaxRanks);
  const int descriptor = AnonymousFile();
  if (descriptor < 0 || ::ftruncate(descriptor, sizeof(Layout)) != 0) {
    throw EnvironmentError("shared memory for the ranks' states: {}", ::strerror(errno));
  }
  void* memory = ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) {
    throw EnvironmentError("shared memory for the ranks' states: {}", ::strerror(errno));
  }
  // The memory is zero: every slot is kAbsent with empty texts.
  auto* layout = static_cast<Layout*>(memory);
  layout->magic = kMagic;
  layout->ranks = static_cast<std::uint64_t>(ranks);
  layout->parent = ::getpid();
  return std::unique_ptr<RankBoard>(new RankBoard(descriptor, layout));
}

std::unique_ptr<RankBoard> RankBoard::OpenFromEnvironment() {
  const char* address = std::getenv(kVariable);
  if (address == nullptr) return nullptr;
  // On another host the same path is nothing, or somebody else's file: look before writing.
  const int descriptor = ::open(address, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return nullptr;
  struct stat status {};
  std::uint64_t magic = 0;
  const bool ours = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                    status.st_size == sizeof(Layout) &&
                    ::pread(descriptor, &magic, sizeof(magic), 0) == sizeof(magic) &&
                    magic == kMagic;
  void* memory =
      ours ? ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
           : MAP_FAILED;
  if (memory == MAP_FAILED) {
    ::close(descriptor);
    return nullptr;
  }
  return std::unique_ptr<RankBoard>(new RankBoard(descriptor, static_cast<Layout*>(memory)));
}

// The address is that of the process which creates the board, whoever asks for it after a fork.
RankBoard::RankBoard(int descriptor, Layout* layout)
    : descriptor_(descriptor),
      layout_(layout),
      address_(fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor)) {}

RankBoard::~RankBoard() {
  ::munmap(layout_, sizeof(Layout));
  ::close(descriptor_);
}

int RankBoard::ranks() const { return static_cast<int>(layout_->ranks); }

pid_t RankBoard::parent() const { return static_cast<pid_t>(layout_->parent); }

std::atomic<std::uint32_t>& RankBoard::stop() const { return layout_->stop; }

RankSlot& RankBoard::slot(int rank) const {
  LOCKSTEP_CHECK(rank >= 0 && rank < ranks(), "rank {} of {}", rank, ranks());
  return layout_->slots[rank];
}

}  // namespace lockstep
