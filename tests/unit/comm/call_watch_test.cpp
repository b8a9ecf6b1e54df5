#include "comm/peers/call_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace lockstep {
namespace {

// Stands for a library that waits, and for what ends its waiting.
struct Blocked {
  std::atomic<int> aborts = 0;
  void Wait() { aborts.wait(0); }
  void Abort() {
    ++aborts;
    aborts.notify_all();
  }
};

TEST(CallWatch, EndsACallThatDoesNotReturn) {
  Blocked library;
  CallWatch watch([&library] { library.Abort(); });
  {
    const CallWatch::Call call(watch, 0.05);
    library.Wait();
  }
  EXPECT_TRUE(watch.fired());
  // What is aborted stays so.
  {
    const CallWatch::Call call(watch, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_EQ(library.aborts, 1);
}

TEST(CallWatch, LetsCallsBeThatReturn) {
  Blocked library;
  CallWatch watch([&library] { library.Abort(); });
  for (int i = 0; i < 100000; ++i) const CallWatch::Call call(watch, 1000);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // between calls there is no limit
  EXPECT_FALSE(watch.fired());
  EXPECT_EQ(library.aborts, 0);
}

// The time is that of one call: many short ones are no long one.
TEST(CallWatch, CountsEachCallByItself) {
  Blocked library;
  CallWatch watch([&library] { library.Abort(); });
  for (int i = 0; i < 50; ++i) {
    const CallWatch::Call call(watch, 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  {
    const CallWatch::Call call(watch, 0.1);
    library.Wait();
  }
  EXPECT_EQ(library.aborts, 1);
}

// Of a call that may compute for so long: what ends it looks on, and it stops by itself.
bool IsEnded(const std::function<void(const std::atomic<bool>& ended)>& work) {
  std::atomic<bool> ended = false;
  CallWatch watch([&ended] { ended = true; }, CallWatch::Counts::kComputing);
  {
    const CallWatch::Call call(watch, 0.1);
    work(ended);
  }
  return watch.fired();
}

void ComputeUntil(const std::atomic<bool>& ended) {
  while (!ended) {
  }
}

TEST(CallWatch, CountsWhatACallComputesWhereItIsAskedTo) {
  EXPECT_TRUE(IsEnded(ComputeUntil));
  // As on a machine that has no time for it.
  EXPECT_FALSE(IsEnded([](const auto&) { std::this_thread::sleep_for(std::chrono::seconds(1)); }));
}

// Another thread than the one that has made the watch, and that waits meanwhile.
TEST(CallWatch, CountsWhatTheThreadOfTheCallComputes) {
  std::atomic<bool> ended = false;
  CallWatch watch([&ended] { ended = true; }, CallWatch::Counts::kComputing);
  std::thread([&] {
    const CallWatch::Call call(watch, 0.1);
    ComputeUntil(ended);
  }).join();
  EXPECT_TRUE(watch.fired());
}

}  // namespace
}  // namespace lockstep
