#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace lockstep {

// The message of the Error that `action` throws, whose code must be `code`: for tests of what a
// user is told. Without an Error the test has failed and the message is empty.
template <typename Action>
std::string MessageOf(Action&& action, ExitCode code = ExitCode::kBadInput) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace lockstep
