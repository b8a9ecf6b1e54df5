#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "sanitizers.h"

// Saves what the calling convention lets a function expect unchanged, takes the other stack, and
// restores the same there: thirty times faster than swapcontext, which also asks the kernel for the
// signal mask.
extern "C" void lockstep_emulation_switch(void** save, void* load);

#if defined(__x86_64__)
asm(R"(
.text
.globl lockstep_emulation_switch
.hidden lockstep_emulation_switch
.type lockstep_emulation_switch,@function
lockstep_emulation_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lockstep_emulation_switch,.-lockstep_emulation_switch
)");
namespace {
constexpr int kSavedRegisters = 6;
void** PushEntry(void** top, void (*entry)()) {
  *--top = nullptr;  // entry's return address: it never returns, but its stack must be aligned
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  return top;
}
}  // namespace
#elif defined(__aarch64__)
asm(R"(
.text
.globl lockstep_emulation_switch
.hidden lockstep_emulation_switch
.type lockstep_emulation_switch,%function
lockstep_emulation_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size lockstep_emulation_switch,.-lockstep_emulation_switch
)");
namespace {
constexpr int kFrameWords = 20, kLinkRegister = 11;
void** PushEntry(void** top, void (*entry)()) {
  top -= kFrameWords;
  for (int i = 0; i < kFrameWords; ++i) top[i] = nullptr;
  top[kLinkRegister] = reinterpret_cast<void*>(entry);
  return top;
}
}  // namespace
#else
#error "the CUDA emulation needs a context switch for this processor: see fiber.cpp"
#endif

namespace lockstep::cuda_emulation {
namespace {
constexpr std::size_t kGuardBytes = 4096;
}

Fiber::Fiber(std::size_t stack_bytes) : size_(stack_bytes) {
  mapping_ = mmap(nullptr, size_ + kGuardBytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  mprotect(mapping_, kGuardBytes, PROT_NONE);
  bottom_ = static_cast<char*>(mapping_) + kGuardBytes;
}

Fiber::~Fiber() {
  if (mapping_ != nullptr) munmap(mapping_, size_ + kGuardBytes);
}

void Fiber::Prime(void (*entry)()) {
  char* top = static_cast<char*>(mapping_) + kGuardBytes + size_;
  stack_pointer_ = PushEntry(reinterpret_cast<void**>(top), entry);
  sanitizer_stack_ = nullptr;
}

void Fiber::Switch(Fiber& next, void** save) {
  asan::StartSwitch(save, next.bottom_, next.size_);
  lockstep_emulation_switch(&stack_pointer_, next.stack_pointer_);
  asan::FinishSwitch(sanitizer_stack_, nullptr, nullptr);
}

void Fiber::Entered(Fiber& caller) {
  const void* bottom = nullptr;
  std::size_t size = 0;
  asan::FinishSwitch(nullptr, &bottom, &size);
  if (caller.bottom_ != nullptr) return;  // known, or this switch came from another fiber
  caller.bottom_ = bottom;
  caller.size_ = size;
}

void Fiber::Unpoison() { asan::Unpoison(bottom_, size_); }

}  // namespace lockstep::cuda_emulation
