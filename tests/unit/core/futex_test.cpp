#include "core/threads/futex.h"

#include <gtest/gtest.h>

#include <thread>

namespace lockstep {
namespace {

// Every test ends only if whoever sleeps is woken.

TEST(WaitableNumber, SettingItWakesSleepers) {
  WaitableNumber number;
  int written = 0;  // unsynchronised on purpose: Set() makes it visible
  std::thread sleeper([&] {
    while (number.value() == 0) number.SleepWhile(0);
    EXPECT_EQ(written, 7);
  });
  written = 7;
  number.Set(1);
  sleeper.join();
}

TEST(WaitableNumber, SubtractingWakesSleepers) {
  WaitableNumber number;
  number.Set(2);
  std::thread sleeper([&] {
    for (std::uint32_t seen = number.value(); seen != 0; seen = number.value())
      number.SleepWhile(seen);
  });
  EXPECT_EQ(number.Subtract(1), 2u);
  EXPECT_EQ(number.Subtract(1), 1u);
  sleeper.join();
}

TEST(WaitableNumber, NobodySleepsForANumberThatHasChanged) {
  WaitableNumber number;
  number.Set(5);
  number.SleepWhile(4);
  EXPECT_EQ(number.value(), 5u);
}

TEST(WaitableNumber, IsExchangedOnlyForWhatIsExpected) {
  WaitableNumber number;
  EXPECT_FALSE(number.Exchange(1, 2));
  EXPECT_TRUE(number.Exchange(0, 2));
  EXPECT_EQ(number.value(), 2u);
}

TEST(FutexSleep, EndsByItself) {
  const std::uint32_t word = 3;
  FutexSleep(&word, 3, FutexScope::kProcess, std::chrono::milliseconds(1));
  FutexSleep(&word, 3, FutexScope::kShared, std::chrono::milliseconds(1));
}

}  // namespace
}  // namespace lockstep
