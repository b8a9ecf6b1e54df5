#pragma once

#include <functional>

namespace lockstep {

// What the tested code asks of the system, seen by a test: this executable has fsync() and flock()
// of its own, which the linker prefers to the C library's. They tell the watcher, if there is one,
// and then do what they are for.
class SystemCalls {
 public:
  using Watcher = std::function<void(int file)>;

  // Until the end of the scope. One at a time.
  SystemCalls(Watcher on_fsync, Watcher on_flock);
  ~SystemCalls();
  SystemCalls(const SystemCalls&) = delete;
  SystemCalls& operator=(const SystemCalls&) = delete;
};

}  // namespace lockstep
