#include "layers/kernels/cuda/cuda_stream.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace lockstep::cuda {
namespace {

struct Wait {
  int looks = 0;
  double late = 0;  // seconds
};

// A wait that ends after so long, as the naps have it.
Wait WaitOf(double seconds, double last_wait) {
  Wait wait;
  double now = 0;
  for (; now < seconds; ++wait.looks) now += NapSeconds(now, last_wait);
  wait.late = now - seconds;
  return wait;
}

// From a small model's step to a long prompt, when the wait before was as long, or of another kind.
TEST(CudaStream, SleepsMostOfAWaitAndIsHardlyLate) {
  for (const double seconds : {0.3e-3, 1e-3, 4e-3, 20e-3, 0.2}) {
    SCOPED_TRACE(seconds);
    const Wait first = WaitOf(seconds, 0), alike = WaitOf(seconds, seconds);
    EXPECT_LE(first.late, seconds / 50);
    EXPECT_LE(alike.late, seconds / 50);
    EXPECT_LE(alike.looks, 1100);
    EXPECT_LE(alike.looks, first.looks);
    EXPECT_LE(WaitOf(seconds, seconds / 10).late, seconds / 50);
    // After a wait three times as long it may oversleep, by a half of it.
    EXPECT_LE(WaitOf(seconds, 3 * seconds).late, seconds * 0.51);
  }
}

TEST(CudaStream, LooksAtADeviceThatHangsWithinMilliseconds) {
  EXPECT_LE(NapSeconds(60, 0), 1e-3);
  EXPECT_LE(NapSeconds(0, 3600), 0.05) << "one that does not come is to be noticed";
}

}  // namespace
}  // namespace lockstep::cuda
