#include "core/heartbeat.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>

namespace lockstep {
namespace {

using std::chrono::milliseconds;

TEST(Heartbeat, BeatsOnceInAPeriodHoweverOftenItIsCalled) {
  int beats = 0;
  // Before the scope, whose first period begins at once: this thread may lose its core in between.
  const auto start = std::chrono::steady_clock::now();
  const HeartbeatScope scope(milliseconds(20), [&] { ++beats; });
  while (beats < 5) Heartbeat();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(100));
}

TEST(Heartbeat, IsOfThisThreadAndOfAllItsScopes) {
  int outer = 0, inner = 0;
  const HeartbeatScope scope(milliseconds(0), [&] { ++outer; });
  Heartbeat();
  {
    const HeartbeatScope nested(milliseconds(0), [&] { ++inner; });
    Heartbeat();
    std::thread([] { Heartbeat(); }).join();
  }
  Heartbeat();
  EXPECT_EQ(outer, 3);
  EXPECT_EQ(inner, 1);
}

TEST(Heartbeat, IsOfTheScopesThatAreLeftInWhateverOrderTheyEnd) {
  int first = 0, second = 0;
  auto outer = std::make_unique<HeartbeatScope>(milliseconds(0), [&] { ++first; });
  auto inner = std::make_unique<HeartbeatScope>(milliseconds(0), [&] { ++second; });
  outer.reset();
  Heartbeat();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
  inner.reset();
  Heartbeat();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST(Heartbeat, DoesNotBeatWithinABeat) {
  int beats = 0;
  const HeartbeatScope scope(milliseconds(0), [&] {
    ++beats;
    Heartbeat();
  });
  Heartbeat();
  EXPECT_EQ(beats, 1);
}

TEST(Heartbeat, WhatABeatThrowsComesOutOfTheWorkAndTheNextBeats) {
  int beats = 0;
  const HeartbeatScope scope(milliseconds(0), [&] {
    if (++beats == 1) throw std::runtime_error("a peer is gone");
  });
  EXPECT_THROW(Heartbeat(), std::runtime_error);
  Heartbeat();
  EXPECT_EQ(beats, 2);
}

TEST(BeatDuring, BeatsWhileACallHasNoLoop) {
  int beats = 0;
  const HeartbeatScope scope(milliseconds(0), [&] { ++beats; });
  BeatDuring([] { std::this_thread::sleep_for(milliseconds(100)); });
  EXPECT_GE(beats, 1);
  EXPECT_THROW(BeatDuring([] { throw std::runtime_error("failed"); }), std::runtime_error);
}

TEST(HeartbeatPeriod, LeavesRoomBeforeAnyDeadline) {
  EXPECT_EQ(HeartbeatPeriod(60).count(), 1.0);
  EXPECT_EQ(HeartbeatPeriod(1).count(), 0.25);
}

}  // namespace
}  // namespace lockstep
