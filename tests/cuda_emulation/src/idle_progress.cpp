#include "idle_progress.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "runtime_state.h"
#include "stream.h"

namespace lockstep::cuda_emulation {
namespace {

std::atomic<std::uint64_t> g_calls{0};
std::atomic<pid_t> g_process_with_thread{0};  // a forked child needs a thread of its own
bool g_exiting = false;                       // then objects that tasks use may be gone

[[noreturn]] void MoveStreamsWhenIdle() {
  constexpr int kLookEveryMs = 5;
  std::uint64_t seen = 0;
  int idle_ms = 0;
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookEveryMs));
    const std::uint64_t calls = g_calls.load();
    idle_ms = calls == seen ? idle_ms + kLookEveryMs : 0;
    seen = calls;
    if (idle_ms < settings().idle_ms) continue;
    const ApiScope scope;
    while (!g_exiting && ProgressAnywhere() && g_calls.load() <= seen + 1) {
    }
    seen = g_calls.load();
  }
}

}  // namespace

void CountApiCall() { g_calls.fetch_add(1, std::memory_order_relaxed); }

void StartIdleProgress() {
  const pid_t self = getpid();
  if (g_process_with_thread.exchange(self) == self) return;
  std::atexit([] {
    const ApiScope scope;
    g_exiting = true;
  });
  std::thread(MoveStreamsWhenIdle).detach();
}

}  // namespace lockstep::cuda_emulation
