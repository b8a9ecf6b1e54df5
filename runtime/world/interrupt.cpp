#include "runtime/world/interrupt.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "core/error.h"
#include "core/log.h"
#include "core/logging/structured_log.h"

namespace lockstep {
namespace {

std::atomic<bool> g_requested{false};
std::atomic<std::int64_t> g_terminated{0};  // when, in milliseconds; 0: not yet
std::atomic<bool> g_finishes_steps{false};
std::atomic<bool> g_announces{false};
std::atomic<std::int64_t> g_first_urgent{0};  // when, in milliseconds; 0: none yet
std::atomic<const char*> g_finishing{"finishing the step"};
std::atomic<std::atomic<std::uint32_t>*> g_stop{nullptr};
std::atomic<std::atomic<std::uint32_t>*> g_told_to_end{nullptr};
std::atomic<std::atomic<std::int32_t>*> g_signal{nullptr};
static_assert(std::atomic<int>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free &&
                  std::atomic<const char*>::is_always_lock_free,
              "handlers may not take locks");

[[noreturn]] void EndAtOnce() { ::_exit(static_cast<int>(ExitCode::kInterrupted)); }

// In a handler, so without memory of its own.
void Announce() {
  if (!g_announces.exchange(false)) return;
  std::array<char, 160> text{};
  std::size_t size = 0;
  const auto add = [&](std::string_view words) {
    size += words.copy(text.data() + size, text.size() - size);
  };
  add("interrupted");
  if (g_finishes_steps) {
    add("; ");
    add(g_finishing.load());
    add(" (a second signal ends at once)");
  }
  WriteLogInHandler({text.data(), size});
}

std::int64_t Milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// Whether somebody who has asked already asks again. Service managers and shells send a process
// what they send its group as well: what comes together with the first request belongs to it.
bool IsAskedAgain() {
  constexpr std::int64_t kTogetherMs = 100;
  const std::int64_t now = Milliseconds();
  std::int64_t first = 0;
  if (g_first_urgent.compare_exchange_strong(first, now)) return false;
  return now - first > kTogetherMs;
}

// mpirun ends the world. What it kills after a moment may use that to leave in good order.
void OnTermination(std::atomic<std::uint32_t>& told_to_end) {
  told_to_end = 1;
  if (!InterruptRequested() || !g_finishes_steps) EndAtOnce();
}

// Asked by the user, or by whoever manages this machine.
void OnRequest(int signal_number) {
  g_requested = true;
  if (signal_number != SIGUSR1) {
    if (auto* signal = g_signal.load()) *signal = signal_number;
    if (auto* stop = g_stop.load()) *stop = 1;
  }
  Announce();
  if (!g_finishes_steps) EndAtOnce();
  const bool urgent = signal_number == SIGINT || signal_number == SIGTERM;
  if (urgent && IsAskedAgain()) EndAtOnce();
}

void OnSignal(int signal_number, siginfo_t* info, void* /*context*/) {
  auto* told_to_end = g_told_to_end.load();
  const bool from_parent = info != nullptr && info->si_pid == ::getppid();
  const bool ends_world = signal_number == SIGTERM && from_parent;
  std::int64_t not_yet = 0;
  if (ends_world) g_terminated.compare_exchange_strong(not_yet, Milliseconds());
  if (told_to_end != nullptr && ends_world)
    OnTermination(*told_to_end);
  else
    OnRequest(signal_number);
}

void Install(int signal_number) {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  sigemptyset(&action.sa_mask);
  // System calls go on: the flag is looked at between steps, not in the middle of a read.
  action.sa_flags = SA_RESTART | SA_SIGINFO;
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

void AnnounceInterrupts() { g_announces = IsLogged(LogLevel::kInfo); }

void AnnounceNoInterrupts() { g_announces = false; }

void FinishStepsOnInterrupt(const char* finishing) {
  g_finishing = finishing;
  g_finishes_steps = true;
}

bool InterruptRequested() {
  if (g_requested.load(std::memory_order_relaxed)) return true;
  const auto* stop = g_stop.load(std::memory_order_relaxed);
  return stop != nullptr && *stop != 0;
}

double SecondsOfTermination() {
  const std::int64_t begin = g_terminated.load(std::memory_order_relaxed);
  return begin == 0 ? 0 : static_cast<double>(Milliseconds() - begin + 1) / 1000;
}

void ShareInterrupts(const InterruptMarks& marks) {
  g_stop = marks.stop;
  g_signal = marks.signal;
  g_told_to_end = marks.told_to_end;
}

}  // namespace lockstep
