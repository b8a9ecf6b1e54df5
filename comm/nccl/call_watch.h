#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace lockstep {

// A thread that ends calls which do not return: when one has lasted longer than it may, `abort` is
// called there, once. For calls into a library that waits for other ranks where nobody can look
// whether they come. A call costs two atomic writes.
// Its calls are made by one thread; `abort` is to be something that may be called beside them.
class CallWatch {
 public:
  explicit CallWatch(std::function<void()> abort);
  ~CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // A call is being made as long as it lives. Time in which this process was stopped does not
  // count.
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
  void Fire(std::uint64_t call);

  std::function<void()> abort_;
  std::atomic<std::uint64_t> calls_ = 0;  // begun and ended: odd while one is made
  std::atomic<double> seconds_ = 0;       // that it may last
  std::atomic<bool> firing_ = false;
  std::atomic<bool> fired_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace lockstep
