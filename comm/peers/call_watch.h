#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace lockstep {

// A thread that ends calls which do not return: when one has lasted longer than it may, `abort` is
// called there, once. For calls into a library that waits for other ranks where nobody can look
// whether they come. A call costs some atomic writes.
// One call at a time; `abort` is to be something that may be called beside it.
class CallWatch {
 public:
  // What a call may last in: time, in which this process was not stopped; or the processor time of
  // its thread, for calls that wait for nobody, which a busy machine does not make longer.
  enum class Counts : std::uint8_t { kTime, kComputing };
  explicit CallWatch(std::function<void()> abort, Counts what = Counts::kTime);
  ~CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // A call is being made as long as it lives.
  class Call {
   public:
    Call(CallWatch& watch, double seconds);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    CallWatch& watch_;
  };

  // Whether a call was ended, and so is all that `abort` ends.
  bool fired() const { return fired_; }

 private:
  void Look();
  std::chrono::nanoseconds Now() const;
  void Fire(std::uint64_t call);

  std::function<void()> abort_;
  Counts what_;
  std::atomic<clockid_t> clock_ = CLOCK_MONOTONIC;  // of the call's thread, or everybody's
  std::atomic<std::uint64_t> calls_ = 0;            // begun and ended: odd while one is made
  std::atomic<double> seconds_ = 0;                 // that it may last
  std::atomic<bool> firing_ = false;
  std::atomic<bool> fired_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace lockstep
