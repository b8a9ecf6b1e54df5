#include "complete/local_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(ServeWords, AreThoseOfCompleteAtAPortOfItsOwn) {
  const std::vector<std::string> given{"lockstep", "complete", "--model", "complete",
                                       "--quiet",  "--tp",     "2"};
  EXPECT_THAT(ServeWords(given),
              testing::ElementsAre("--model", "complete", "--tp", "2", "--host", "127.0.0.1",
                                   "--port", "0", "--log-format", "text"));
}

}  // namespace
}  // namespace lockstep
