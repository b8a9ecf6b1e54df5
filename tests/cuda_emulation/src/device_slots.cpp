#include "device_slots.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <system_error>
#include <utility>

#include "runtime_state.h"
#include "visible_devices.h"

namespace lockstep::cuda_emulation {
namespace {

std::uint64_t g_next_blocks = 0;
std::uint64_t g_early = 0;  // slots of a grid that has begun and whose turn has not come

// What the processes of one parent that share a device hold, each in an entry of its own.
class SharedSlots {
 public:
  static SharedSlots& Instance() {
    static auto* slots = new SharedSlots;
    return *slots;
  }

  // As many of these as are free.
  std::uint64_t Take(std::uint64_t wanted) {
    const FileLock lock(file_);
    const std::uint64_t all = settings().slots, taken = Taken();
    const std::uint64_t got = std::min(wanted, all - std::min(all, taken));
    entries_[own_].held += got;
    return got;
  }

  void Give(std::uint64_t count) {
    const FileLock lock(file_);
    entries_[own_].held -= count;
  }

 private:
  static constexpr std::size_t kEntries = 64;
  struct Entry {
    pid_t process;
    std::uint64_t held;
  };
  struct FileLock {
    explicit FileLock(int locked) : file(locked) { flock(file, LOCK_EX); }
    ~FileLock() { flock(file, LOCK_UN); }
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;
    int file;
  };

  SharedSlots()
      : name_(fmt::format("/dev/shm/cuda-emulation-slots.{}.{}", getppid(),
                          VisibleDevices()[static_cast<std::size_t>(CurrentDevice())].place)) {
    file_ = open(name_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file_ < 0 || ftruncate(file_, sizeof(Entry) * kEntries) != 0) Fail();
    void* pages =
        mmap(nullptr, sizeof(Entry) * kEntries, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (pages == MAP_FAILED) Fail();
    entries_ = static_cast<Entry*>(pages);
    const FileLock lock(file_);
    while (own_ < kEntries && IsAlive(entries_[own_].process)) ++own_;
    if (own_ == kEntries) Fail();
    entries_[own_] = {getpid(), 0};
    std::atexit([] { unlink(Instance().name_.c_str()); });
  }

  [[noreturn]] void Fail() const {
    throw std::system_error(errno, std::generic_category(), "cuda emulation: " + name_);
  }

  static bool IsAlive(pid_t process) { return process != 0 && kill(process, 0) == 0; }

  std::uint64_t Taken() const {
    std::uint64_t taken = 0;
    for (std::size_t i = 0; i < kEntries; ++i)
      if (IsAlive(entries_[i].process)) taken += entries_[i].held;
    return taken;
  }

  std::string name_;
  int file_ = -1;
  Entry* entries_ = nullptr;
  std::size_t own_ = 0;
};

}  // namespace

GridSlots::GridSlots(std::uint64_t blocks) : left_(blocks) {
  if (settings().slots == 0) return;
  held_ = std::exchange(g_early, 0);
  if (held_ <= left_) return;
  SharedSlots::Instance().Give(held_ - left_);
  held_ = left_;
}

GridSlots::~GridSlots() {
  if (held_ > 0) SharedSlots::Instance().Give(held_);
}

bool GridSlots::AwaitBlock() {
  if (settings().slots == 0) return true;
  const std::time_t end =
      std::time(nullptr) + static_cast<std::time_t>(settings().spin_seconds) + 1;
  for (;; usleep(200)) {
    held_ += SharedSlots::Instance().Take(left_ - held_);
    if (held_ > 0) return true;
    if (std::time(nullptr) > end) return false;
  }
}

void GridSlots::BlockDone() {
  if (--left_ >= held_ || held_ == 0) return;
  SharedSlots::Instance().Give(held_ - left_);
  held_ = left_;
}

void GridSlots::LetNextBegin() {
  if (settings().slots == 0 || has_let_ || held_ < left_) return;
  has_let_ = true;
  g_early += SharedSlots::Instance().Take(g_next_blocks);
}

void SetBlocksOfNextGrid(std::uint64_t blocks) { g_next_blocks = blocks; }

}  // namespace lockstep::cuda_emulation
