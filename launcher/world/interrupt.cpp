#include "launcher/world/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "core/error.h"

namespace lockstep {
namespace {

std::atomic<bool> g_requested{false};
std::atomic<bool> g_terminated{false};
std::atomic<int> g_urgent{0};
std::atomic<std::atomic<std::uint32_t>*> g_termination_mark{nullptr};
static_assert(std::atomic<int>::is_always_lock_free, "handlers may not take locks");

void OnSignal(int signal_number) {
  g_requested.store(true);
  if (signal_number == SIGTERM) {
    g_terminated.store(true);
    if (auto* mark = g_termination_mark.load()) {
      mark->store(1);
      ::_exit(static_cast<int>(ExitCode::kInterrupted));
    }
  }
  const bool urgent = signal_number == SIGINT || signal_number == SIGTERM;
  if (urgent && g_urgent.fetch_add(1) > 0) ::_exit(static_cast<int>(ExitCode::kInterrupted));
}

void Install(int signal_number) {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  // System calls go on: the flag is looked at between steps, not in the middle of a read.
  action.sa_flags = SA_RESTART;
  ::sigaction(signal_number, &action, nullptr);
}

}  // namespace

void InstallInterruptHandlers() {
  Install(SIGINT);
  Install(SIGTERM);
  Install(SIGUSR1);
  struct sigaction hangup {};
  ::sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) Install(SIGHUP);
}

bool InterruptRequested() { return g_requested.load(std::memory_order_relaxed); }

bool TerminationRequested() { return g_terminated.load(std::memory_order_relaxed); }

void RequestInterrupt() { g_requested.store(true); }

void MarkTermination(std::atomic<std::uint32_t>* mark) { g_termination_mark.store(mark); }

}  // namespace lockstep
