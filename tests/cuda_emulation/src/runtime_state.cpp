#include "runtime_state.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "idle_progress.h"
#include "stream.h"

namespace lockstep::cuda_emulation {
namespace {

std::atomic<int> g_locked{0};
thread_local bool t_holds_lock = false;
thread_local cudaError_t t_last_error = cudaSuccess;

cudaError_t g_sticky = cudaSuccess;
std::string g_report;

}  // namespace

void RuntimeLock::Lock() {
  while (g_locked.exchange(1, std::memory_order_acquire) != 0) {
    g_locked.wait(1, std::memory_order_relaxed);
  }
  t_holds_lock = true;
}

void RuntimeLock::Unlock() {
  t_holds_lock = false;
  g_locked.store(0, std::memory_order_release);
  g_locked.notify_one();
}

bool RuntimeLock::HeldByThisThread() { return t_holds_lock; }

ApiScope::ApiScope() : outermost_(!RuntimeLock::HeldByThisThread()) {
  if (outermost_) RuntimeLock::Lock();
  CountApiCall();
}

ApiScope::~ApiScope() {
  if (outermost_) RuntimeLock::Unlock();
}

void PauseWithoutLock(int microseconds) {
  RuntimeLock::Unlock();
  usleep(static_cast<useconds_t>(microseconds));
  RuntimeLock::Lock();
}

const std::string& FaultReport() { return g_report; }

void ResetFaults() {
  ApiScope scope;
  DiscardQueuedWork();
  g_sticky = cudaSuccess;
  t_last_error = cudaSuccess;
  g_report.clear();
}

void Fault(cudaError_t code, const std::string& text) {
  if (g_report.empty()) g_report = text;
  std::fprintf(stderr, "cuda emulation: %s\n", text.c_str());
  if (g_sticky == cudaSuccess) g_sticky = code;
  if (settings().abort_at_fault) std::abort();
}

cudaError_t Refuse(cudaError_t code, const std::string& text) {
  std::fprintf(stderr, "cuda emulation: refused: %s\n", text.c_str());
  return Return(code);
}

cudaError_t StickyError() { return g_sticky; }

cudaError_t Return(cudaError_t code) {
  if (g_sticky != cudaSuccess) code = g_sticky;
  if (code != cudaSuccess) t_last_error = code;
  return code;
}

}  // namespace lockstep::cuda_emulation

using namespace lockstep::cuda_emulation;

cudaError_t cudaGetLastError() {
  const cudaError_t error = t_last_error;
  t_last_error = g_sticky;
  return error;
}

cudaError_t cudaPeekAtLastError() { return t_last_error; }
