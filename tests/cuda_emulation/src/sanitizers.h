#pragma once
// What the plain, the address-sanitized and the thread-sanitized build differ in; the rest of the
// emulation is free of conditions.
//
// Under ThreadSanitizer every CUDA thread, stream and graph node is a fiber of its own, so that
// only barriers, warp operations, stream order and events order memory accesses. The emulation
// itself is compiled without -fsanitize=thread: its bookkeeping is no part of the program under
// test. What it does for that program (copies, products) it reports through Read and Write.

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOCKSTEP_EMULATION_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define LOCKSTEP_EMULATION_ASAN 1
#endif

#if defined(LOCKSTEP_EMULATION_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(LOCKSTEP_EMULATION_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_read_range(void* address, unsigned long size);
void __tsan_write_range(void* address, unsigned long size);
}
#endif

namespace lockstep::cuda_emulation::tsan {

using Fiber = void*;

#if defined(LOCKSTEP_EMULATION_TSAN)
inline constexpr bool kEnabled = true;
inline Fiber Create() { return __tsan_create_fiber(0); }
inline void Destroy(Fiber fiber) { __tsan_destroy_fiber(fiber); }
inline Fiber Current() { return __tsan_get_current_fiber(); }
// 1: the switch itself orders nothing.
inline void SwitchTo(Fiber fiber) { __tsan_switch_to_fiber(fiber, 1); }
inline void Acquire(void* key) { __tsan_acquire(key); }
inline void Release(void* key) { __tsan_release(key); }
inline void Read(const void* p, std::size_t n) { __tsan_read_range(const_cast<void*>(p), n); }
inline void Write(void* p, std::size_t n) { __tsan_write_range(p, n); }
inline void BeginIgnore() {
  AnnotateIgnoreReadsBegin("", 0);
  AnnotateIgnoreWritesBegin("", 0);
}
inline void EndIgnore() {
  AnnotateIgnoreWritesEnd("", 0);
  AnnotateIgnoreReadsEnd("", 0);
}
#else
inline constexpr bool kEnabled = false;
inline Fiber Create() { return nullptr; }
inline void Destroy(Fiber) {}
inline Fiber Current() { return nullptr; }
inline void SwitchTo(Fiber) {}
inline void Acquire(void*) {}
inline void Release(void*) {}
inline void Read(const void*, std::size_t) {}
inline void Write(void*, std::size_t) {}
inline void BeginIgnore() {}
inline void EndIgnore() {}
#endif

// Accesses within are the emulation's own (allocations, library calls).
class IgnoreScope {
 public:
  IgnoreScope() { BeginIgnore(); }
  ~IgnoreScope() { EndIgnore(); }
  IgnoreScope(const IgnoreScope&) = delete;
  IgnoreScope& operator=(const IgnoreScope&) = delete;
};
// Within an IgnoreScope: accesses of the program under test.
class WatchScope {
 public:
  WatchScope() { EndIgnore(); }
  ~WatchScope() { BeginIgnore(); }
  WatchScope(const WatchScope&) = delete;
  WatchScope& operator=(const WatchScope&) = delete;
};

}  // namespace lockstep::cuda_emulation::tsan

namespace lockstep::cuda_emulation::asan {

#if defined(LOCKSTEP_EMULATION_ASAN)
inline constexpr bool kEnabled = true;
inline void Poison(const void* p, std::size_t n) { __asan_poison_memory_region(p, n); }
inline void Unpoison(const void* p, std::size_t n) { __asan_unpoison_memory_region(p, n); }
// save is null when the fiber that is left never runs again.
inline void StartSwitch(void** save, const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(save, bottom, size);
}
inline void FinishSwitch(void* saved, const void** old_bottom, std::size_t* old_size) {
  __sanitizer_finish_switch_fiber(saved, old_bottom, old_size);
}
#else
inline constexpr bool kEnabled = false;
inline void Poison(const void*, std::size_t) {}
inline void Unpoison(const void*, std::size_t) {}
inline void StartSwitch(void**, const void*, std::size_t) {}
inline void FinishSwitch(void*, const void**, std::size_t*) {}
#endif

}  // namespace lockstep::cuda_emulation::asan
