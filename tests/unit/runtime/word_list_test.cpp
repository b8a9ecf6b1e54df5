#include "runtime/options/words/word_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

TEST(SplitAt, GivesWhatStandsBetweenSeparators) {
  EXPECT_THAT(SplitAt("1,22,4", ','), ElementsAre("1", "22", "4"));
  EXPECT_THAT(SplitAt("a,b-c", '-'), ElementsAre("a,b", "c"));
  EXPECT_THAT(SplitAt("", ','), ElementsAre(""));
  EXPECT_THAT(SplitAt(",1,", ','), ElementsAre("", "1", ""));
}

TEST(EachOnce, ComparesWhatIsReadAndNamesWhatIsWritten) {
  const auto length = [](std::string_view part) { return part.size(); };
  EXPECT_THAT(EachOnce<std::size_t>("a,bb,", "--names", length), ElementsAre(1u, 2u, 0u));
  EXPECT_EQ(MessageOf([&] { EachOnce<std::size_t>("a,bb,c", "--names", length); }),
            "--names names \"c\" twice; give it once");
}

}  // namespace
}  // namespace lockstep
