#include "system_calls.h"

#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace lockstep {
namespace {

SystemCalls::Watcher g_on_fsync;
SystemCalls::Watcher g_on_flock;

}  // namespace

SystemCalls::SystemCalls(Watcher on_fsync, Watcher on_flock) {
  g_on_fsync = std::move(on_fsync);
  g_on_flock = std::move(on_flock);
}

SystemCalls::~SystemCalls() {
  g_on_fsync = {};
  g_on_flock = {};
}

}  // namespace lockstep

extern "C" int fsync(int file) {
  if (lockstep::g_on_fsync) lockstep::g_on_fsync(file);
  return static_cast<int>(::syscall(SYS_fsync, file));
}

extern "C" int flock(int file, int operation) noexcept {
  if (lockstep::g_on_flock) lockstep::g_on_flock(file);
  return static_cast<int>(::syscall(SYS_flock, file, operation));
}
