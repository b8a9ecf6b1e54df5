#pragma once
// A stack of its own and the switch between stacks.

#include <cstddef>

namespace lockstep::cuda_emulation {

class Fiber {
 public:
  // The context of the thread that is running already.
  Fiber() = default;
  // A new stack, with a guard page below it.
  explicit Fiber(std::size_t stack_bytes);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next switch to this fiber calls entry(), which must never return, on a fresh stack.
  void Prime(void (*entry)());
  // Leaves the running fiber, which is *this, for another.
  void SwitchTo(Fiber& next) { Switch(next, &sanitizer_stack_); }
  // The same for a fiber that is not continued before it is primed again.
  void SwitchForeverTo(Fiber& next) { Switch(next, nullptr); }
  // entry() must call this first. caller: the fiber that made the very first switch.
  void Entered(Fiber& caller);
  // Forgets what a sanitizer knows of an abandoned stack.
  void Unpoison();
  // The next Entered learns the bounds of this (thread's own) stack again.
  void ForgetBounds() { bottom_ = nullptr; }

 private:
  void Switch(Fiber& next, void** save);

  void* stack_pointer_ = nullptr;
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* mapping_ = nullptr;
  void* sanitizer_stack_ = nullptr;
};

}  // namespace lockstep::cuda_emulation
