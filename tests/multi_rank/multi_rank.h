#pragma once

#include <gtest/gtest.h>

#include "comm/communicator.h"

namespace lockstep::testing {

// The world these tests run in: main() joins it before the tests and leaves it after.
Communicator& WorldComm();

// Base of every test that runs on all ranks at once. All ranks run the same tests in the same
// order; what each expects is checked on each. A failure on any rank fails the test: it is
// printed where it happens, with the rank, and again as a summary on rank 0.
//
// Prefer EXPECT_ over ASSERT_ around collectives: a rank that returns early leaves its peers
// waiting until their deadline (20 s here), which fails the test but hides the cause behind it.
class MultiRank : public ::testing::Test {
 protected:
  Communicator& comm() const { return WorldComm(); }
  int rank() const { return WorldComm().rank(); }
  int size() const { return WorldComm().size(); }

  void TearDown() override;
};

}  // namespace lockstep::testing
