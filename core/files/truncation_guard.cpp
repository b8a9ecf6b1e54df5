#include "core/files/truncation_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace lockstep {
namespace {

// Fixed, so that the handler needs neither locks nor memory. More shards than any checkpoint has.
constexpr int kSlots = 1024;

struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0};  // 0: not to be looked at
  std::atomic<std::size_t> bytes{0};
  std::atomic<bool> hit{false};

  bool Covers(std::uintptr_t address) const {
    const std::uintptr_t first = begin.load();
    return first != 0 && address >= first && address - first < bytes.load();
  }
};

std::array<Slot, kSlots> g_slots;
struct sigaction g_before;
std::uintptr_t g_page_bytes = 4096;

// Zeros over the rest of the mapping, from the page that is gone.
bool CoverWithZeros(Slot& slot, std::uintptr_t address) {
  const std::uintptr_t page = address / g_page_bytes * g_page_bytes;
  const std::size_t rest = slot.begin.load() + slot.bytes.load() - page;
  void* zeros = ::mmap(reinterpret_cast<void*>(page), rest, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return zeros != MAP_FAILED;
}

void HandBack(int signal, siginfo_t* info, void* context) {
  if ((g_before.sa_flags & SA_SIGINFO) != 0) return g_before.sa_sigaction(signal, info, context);
  if (g_before.sa_handler != SIG_DFL && g_before.sa_handler != SIG_IGN)
    return g_before.sa_handler(signal);
  // The access is made again and ends the process; a signal that was sent has to be sent again.
  ::signal(signal, SIG_DFL);
  if (info->si_code <= 0) ::raise(signal);
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int kept_errno = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Slot& slot : g_slots) {
    if (!slot.Covers(address)) continue;
    slot.hit = true;
    const bool covered = CoverWithZeros(slot, address);
    errno = kept_errno;
    if (covered) return;
  }
  HandBack(signal, info, context);
}

void InstallHandler() {
  g_page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &g_before);
}

int TakeSlot() {
  for (int i = 0; i < kSlots; ++i) {
    bool taken = false;
    if (g_slots[static_cast<std::size_t>(i)].taken.compare_exchange_strong(taken, true)) return i;
  }
  return -1;
}

}  // namespace

TruncationGuard::TruncationGuard(const std::byte* begin, std::size_t bytes) : slot_(TakeSlot()) {
  static std::once_flag installed;
  std::call_once(installed, InstallHandler);
  if (slot_ < 0) return;
  Slot& slot = g_slots[static_cast<std::size_t>(slot_)];
  slot.hit = false;
  slot.bytes = bytes;
  slot.begin = reinterpret_cast<std::uintptr_t>(begin);
}

TruncationGuard::~TruncationGuard() {
  if (slot_ < 0) return;
  Slot& slot = g_slots[static_cast<std::size_t>(slot_)];
  slot.begin = 0;
  slot.taken = false;
}

bool TruncationGuard::hit() const {
  return slot_ >= 0 && g_slots[static_cast<std::size_t>(slot_)].hit;
}

}  // namespace lockstep
