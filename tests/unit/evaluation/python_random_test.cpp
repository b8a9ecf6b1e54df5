// The expected numbers are Python's own, of random.Random(seed).
#include "evaluation/numbers/python_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing::ElementsAre;

TEST(PythonRandom, DrawsTheNumbersOfPython) {
  PythonRandom random(1234);
  EXPECT_EQ(random.Next(), 4150886329u);
  EXPECT_EQ(random.Next(), 3342196574u);
  EXPECT_EQ(random.Next(), 1892932127u);
  EXPECT_EQ(random.Next(), 501869158u);
  EXPECT_EQ(PythonRandom(99).Next(), 1735072617u);
  PythonRandom doubles(1234);
  EXPECT_EQ(doubles.NextDouble(), 0.9664535356921388);
  EXPECT_EQ(doubles.NextDouble(), 0.4407325991753527);
}

TEST(PythonRandom, GoesOnBeyondItsFirstWords) {
  PythonRandom random(7);
  for (int i = 0; i < 2000; ++i) random.Next();
  EXPECT_EQ(random.Next(), 4083946869u);
}

// Short lists are drawn from as a pool, long ones until the numbers differ; 21 and 22 are the ends.
TEST(PythonRandom, SamplesAsPythonDoes) {
  PythonRandom random(1234);
  EXPECT_THAT(random.Sample(10, 3), ElementsAre(7, 1, 0));
  EXPECT_THAT(random.Sample(1000, 6), ElementsAre(92, 932, 965, 961, 826, 596));
  EXPECT_THAT(random.Sample(21, 5), ElementsAre(1, 2, 3, 11, 7));
  EXPECT_THAT(random.Sample(22, 5), ElementsAre(0, 11, 20, 19, 15));
  EXPECT_THAT(random.Sample(5, 5), ElementsAre(4, 3, 0, 2, 1));
  EXPECT_THAT(random.Sample(100, 20), ElementsAre(91, 14, 1, 64, 62, 31, 8, 85, 69, 59, 76, 86, 11,
                                                  65, 74, 5, 34, 71, 82, 38));
}

TEST(PythonRandom, ChoosesAsPythonDoes) {
  PythonRandom random(0);
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 8; ++i) chosen.push_back(random.Choice(5));
  EXPECT_THAT(chosen, ElementsAre(4, 3, 2, 1, 2, 2, 3, 1));
  EXPECT_EQ(random.NextDouble(), 0.4765969541523558);
}

}  // namespace
}  // namespace lockstep
