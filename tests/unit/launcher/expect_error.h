#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace lockstep {

// What `action` throws, as text; "" when it throws nothing. Fails the test on another exit code.
template <typename Action>
std::string MessageOf(const Action& action, ExitCode code = ExitCode::kBadInput) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace lockstep
