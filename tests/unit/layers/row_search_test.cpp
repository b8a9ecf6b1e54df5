// What choosing tokens asks of rows of logits, against the reference.
#include <cmath>
#include <limits>

#include "backend_fixture.h"

namespace lockstep {
namespace {

constexpr NoiseKey kKey{{1u, 22u, 333u, 4444u}};

class RowSearchOf : public BackendOperation {
 protected:
  // Rounded, so that many are equal.
  Tensor Logits(std::int64_t rows, std::int64_t columns, float scale, float step) {
    Tensor logits = random_.Fill(DType::kF32, {rows, columns}, scale);
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      float& logit = logits.view().data<float>()[i];
      logit = std::round(logit / step) * step;
    }
    return logits;
  }
};

TEST_P(RowSearchOf, LeadersAreThoseOfTheReference) {
  for (const std::int64_t columns : {1, 15, 64, 65, 1000, 5003})
    for (const float scale : {0.1f, 3.0f, 40.0f}) {
      const Tensor logits = Logits(3, columns, scale, 0.25f);
      const std::int64_t limit = columns - columns / 7;
      const RowSearch search{logits.view(), limit, 30'000};
      std::vector<RaceQuestion> questions;
      for (const double temperature : {0.01, 0.8, 5.0})
        for (const std::int64_t count : {1, 8})
          for (const float before : {std::numeric_limits<float>::infinity(), 0.0f, -30.0f}) {
            RaceQuestion& one = questions.emplace_back();
            one.row = std::ssize(questions) % 3;
            one.count = count;
            one.key = kKey;
            one.key.words[0] += static_cast<std::uint32_t>(questions.size());
            one.temperature = temperature;
            if (before < 1.0f) one.before = {static_cast<std::int32_t>(columns / 2), before};
          }
      EXPECT_EQ(tested_->FindLeaders(search, questions), reference_->FindLeaders(search, questions))
          << columns << " columns, scale " << scale;
    }
}

TEST_P(RowSearchOf, LeadersAreNeverImpossibleOrNoNumber) {
  const Tensor logits = Logits(1, 200, 1.0f, 0.5f);
  for (std::int64_t i = 0; i < 200; ++i)
    if (i % 3 != 0)
      logits.view().data<float>()[i] = i % 3 == 1 ? -std::numeric_limits<float>::infinity()
                                                  : std::numeric_limits<float>::quiet_NaN();
  const std::vector<RaceQuestion> questions{{.count = 100, .key = kKey}};
  const RowSearch search{logits.view(), 200, 0};
  const auto found = tested_->FindLeaders(search, questions);
  EXPECT_EQ(found[0].size(), 67u);
  EXPECT_EQ(found, reference_->FindLeaders(search, questions));
}

TEST_P(RowSearchOf, MassesAreThoseOfTheReference) {
  for (const std::int64_t columns : {1, 31, 1024, 3001}) {
    const Tensor logits = Logits(2, columns, 5.0f, 0.5f);
    const std::vector<Range> ranges{
        {0, columns / 3}, {columns / 3, columns / 3}, {columns / 3, columns}};
    std::vector<MassQuestion> questions;
    for (const double temperature : {0.3, 1.0, 4.0})
      for (std::size_t count = 1; count <= MassQuestion::kMostBounds; count += 3) {
        MassQuestion& one = questions.emplace_back();
        one.row = std::ssize(questions) % 2;
        one.temperature = temperature;
        one.reference = 5.0f;
        for (std::size_t i = 0; i < count; ++i)
          one.bounds.push_back({static_cast<std::int32_t>(random_.Int(-5, columns + 5)),
                                0.5f * static_cast<float>(random_.Int(-10, 10))});
      }
    const RowSearch search{logits.view(), columns, 0};
    const auto expected = reference_->SumMasses(search, questions, ranges);
    const auto found = tested_->SumMasses(search, questions, ranges);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].size(), expected[i].size());
      for (std::size_t bound = 0; bound < found[i].size(); ++bound)
        EXPECT_NEAR(found[i][bound], expected[i][bound], 2e-6 * expected[i].back());
    }
  }
}

TEST_P(RowSearchOf, TakenLogitsAreImpossibleAfterwards) {
  const Tensor logits = Logits(2, 40, 4.0f, 0.01f);
  const Tensor before = Copy(logits);
  const std::vector<LogitPlace> places{{1, 7}, {0, 39}, {1, 0}};
  const std::vector<float> taken = tested_->TakeLogits(logits.view(), places);
  ASSERT_EQ(taken.size(), 3u);
  for (std::int64_t i = 0; i < 80; ++i) {
    const float now = logits.view().data<float>()[i], was = before.view().data<float>()[i];
    if (i == 47 || i == 39 || i == 40) {
      EXPECT_EQ(now, -std::numeric_limits<float>::infinity());
      EXPECT_EQ(taken[i == 47 ? 0 : i == 39 ? 1 : 2], was);
    } else {
      EXPECT_EQ(now, was);
    }
  }
}

TEST_P(RowSearchOf, LargestLogitsComeInOrder) {
  for (const std::int64_t columns : {5, 64, 777, 5003}) {
    const Tensor logits = Logits(3, columns, 20.0f, 0.5f);
    const std::int64_t limit = columns - 2;
    for (const std::int64_t count : {1, 3, 50}) {
      if (count > limit) continue;
      const auto found = tested_->LargestLogits(logits.view(), limit, count);
      ASSERT_TRUE(found);
      ASSERT_EQ(std::ssize(*found), 3 * count);
      for (std::int64_t row = 0; row < 3; ++row) {
        std::vector<ColumnLogit> all;
        for (std::int32_t column = 0; column < limit; ++column)
          all.push_back({column, logits.view().data<float>()[row * columns + column]});
        std::sort(all.begin(), all.end(), ComesBefore);
        for (std::int64_t i = 0; i < count; ++i)
          EXPECT_EQ((*found)[static_cast<std::size_t>(row * count + i)],
                    all[static_cast<std::size_t>(i)]);
      }
    }
  }
}

TEST_P(RowSearchOf, StatisticsAreNoNumberWhereALogitIsNone) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<std::int64_t> targets{-1};
  for (const float value : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()})
    for (const std::int64_t place : {0, 17, 98, 99}) {
      const Tensor logits = Logits(1, 100, 3.0f, 0.5f);
      logits.view().data<float>()[place] = value;
      const std::vector<Range> ranges{{0, 99}, {99, 100}};
      const auto found = tested_->Statistics(logits.view(), targets, ranges);
      EXPECT_EQ(std::isnan(found[0].sum_exp), place < 99) << value << " at " << place;
      EXPECT_EQ(std::isnan(found[1].sum_exp), place == 99) << value << " at " << place;
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, RowSearchOf, testing::Values(BackendCases()[0], BackendCases()[1]),
                         CaseName);

}  // namespace
}  // namespace lockstep
