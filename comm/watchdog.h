#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/error.h"

namespace lockstep {

// Ends the process when a call that cannot be interrupted (MPI_Init, MPI_Finalize, MPI_Abort)
// takes too long: says why and exits with the code. Destroy it when the call has returned.
// Not thread-safe: made and destroyed by the thread that makes the call; asks for the message on
// a thread of its own.
class Watchdog {
 public:
  struct OnExpiry {
    int exit_code;
    std::function<std::string()> message;  // asked for at the deadline; null: exits silently
  };
  Watchdog(double seconds, OnExpiry on_expiry);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void Wait(double seconds, const OnExpiry& on_expiry);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool called_off_ = false;
  std::thread thread_;
};

}  // namespace lockstep
