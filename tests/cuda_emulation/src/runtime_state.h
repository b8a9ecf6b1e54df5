#pragma once
// What every call of the emulated libraries begins with: the lock, and the state of errors.

#include <cuda_runtime.h>

#include <string>

#include "lockstep_emulation/control.h"
#include "sanitizers.h"

namespace lockstep::cuda_emulation {

// Held by the thread that is inside the emulation. Not std::mutex: ThreadSanitizer would take its
// operations for an order between the host threads of the program under test.
class RuntimeLock {
 public:
  static void Lock();
  static void Unlock();
  static bool HeldByThisThread();
};

// Opens every function of the API: one thread at a time, and its accesses are not the program's.
class ApiScope {
 public:
  ApiScope();
  ~ApiScope();
  ApiScope(const ApiScope&) = delete;
  ApiScope& operator=(const ApiScope&) = delete;

 private:
  bool outermost_;
  tsan::IgnoreScope ignore_;
};

// Lets other threads in for a moment, while this one waits inside an ApiScope.
void PauseWithoutLock(int microseconds);

// A fault of device code or of the use of device memory: reported, and from then on every call
// fails with its code, as after an illegal address on a real device.
void Fault(cudaError_t code, const std::string& text);
// A refused call: reported on stderr, and returned without lasting effect.
cudaError_t Refuse(cudaError_t code, const std::string& text);
// The code of the first fault, or cudaSuccess.
cudaError_t StickyError();
// What a call returns: the fault if there is one; remembers errors for cudaGetLastError.
cudaError_t Return(cudaError_t code);

// A random number below limit (> 0).
unsigned RandomBelow(unsigned limit);

int CurrentDevice();

}  // namespace lockstep::cuda_emulation
