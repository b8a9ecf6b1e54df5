// What sampling and scoring take from rows of logits.
#include <algorithm>
#include <cstddef>
#include <span>

#include "kernel_fixture.h"
#include "layers/kernels/backend.h"

namespace lockstep::cuda {
namespace {

// The backend copies them as they are.
static_assert(sizeof(RowSummary) == sizeof(RowStatistics));
static_assert(offsetof(RowSummary, max) == offsetof(RowStatistics, max));
static_assert(offsetof(RowSummary, argmax) == offsetof(RowStatistics, argmax));
static_assert(offsetof(RowSummary, target) == offsetof(RowStatistics, target));
static_assert(offsetof(RowSummary, sum_exp) == offsetof(RowStatistics, sum_exp));

class SamplingKernels : public KernelTest {};

TEST_P(SamplingKernels, SummariesMatchTheReference) {
  const auto reference = MakeBackend(BackendKind::kReference, 1).ops;
  for (const std::int64_t rows : {0, 1, 3}) {
    constexpr std::int64_t kColumns = 1061;
    const std::vector<ColumnRange> ranges{{0, 500}, {500, 501}, {501, 501}, {501, kColumns}};
    // Rounded, so that the largest logit occurs more than once; and zeros of both signs.
    Floats logits = random_.Values(rows * kColumns, 8.0f);
    for (float& logit : logits) logit = std::round(logit * 4.0f) / 4.0f;
    std::vector<std::int32_t> targets;
    for (std::int64_t row = 0; row < rows; ++row)  // the first one right behind a range
      targets.push_back(row == 0 ? 500 : static_cast<std::int32_t>(random_.Int(-1, kColumns - 1)));
    const Device<float> device_logits(logits);
    const Device<std::int32_t> device_targets(targets);
    const Device<ColumnRange> device_ranges(ranges);
    const Device<RowSummary> y(static_cast<std::size_t>(rows) * ranges.size());
    Summarise({.logits = device_logits.data(),
               .targets = device_targets.data(),
               .ranges = device_ranges.data(),
               .range_count = static_cast<std::int64_t>(ranges.size()),
               .rows = rows,
               .columns = kColumns,
               .y = y.data()},
              stream_);
    const std::vector<Range> host_ranges{{0, 500}, {500, 501}, {501, 501}, {501, kColumns}};
    const auto expected = reference->Statistics(
        {logits.data(), DType::kF32, {rows, kColumns}},
        std::vector<std::int64_t>(targets.begin(), targets.end()), host_ranges);
    const auto found = y.Values();
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(found[i].max, expected[i].max);
      EXPECT_EQ(found[i].argmax, expected[i].argmax);
      EXPECT_EQ(found[i].target, expected[i].target);
      EXPECT_NEAR(found[i].sum_exp, expected[i].sum_exp, 1e-5 * expected[i].sum_exp);
    }
  }
}

TEST_P(SamplingKernels, ZerosOfBothSignsAreEqual) {
  const std::vector<float> logits{-1.0f, -0.0f, 0.0f, -0.0f};
  const Device<float> device_logits(logits);
  const Device<TokenLogit> y(3);
  Candidates({.logits = device_logits.data(),
              .rows = 1,
              .columns = 4,
              .limit = 4,
              .count = 3,
              .y = y.data()},
             stream_);
  const auto found = y.Values();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(found[static_cast<std::size_t>(i)].column, i + 1);
}

// Each digit of the runner-up's key is the last of its kind among those that are counted together:
// a selection that goes on when nothing more is needed finds no end.
TEST_P(SamplingKernels, CandidatesStopWhereAsManyAreFoundAsAreNeeded) {
  const std::vector<float> logits{std::nextafter(2.0f, 0.0f), 0.0f, 0.0f, 100.0f};
  const Device<float> device_logits(logits);
  const Device<TokenLogit> y(1);
  Candidates({.logits = device_logits.data(),
              .rows = 1,
              .columns = 4,
              .limit = 4,
              .count = 1,
              .y = y.data()},
             stream_);
  EXPECT_EQ(y.Values()[0].column, 3);
}

std::vector<TokenLogit> Sorted(const float* row, std::int64_t limit, std::int64_t count) {
  std::vector<TokenLogit> all;
  for (std::int32_t column = 0; column < limit; ++column) all.push_back({column, row[column]});
  std::stable_sort(all.begin(), all.end(),
                   [](const TokenLogit& a, const TokenLogit& b) { return a.logit > b.logit; });
  all.resize(static_cast<std::size_t>(count), {-1, -INFINITY});
  return all;
}

struct CandidateCase {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t limit;
  std::int64_t count;
  float step;  // logits are rounded to multiples of it: equals
};

TEST_P(SamplingKernels, CandidatesAreTheLargestInOrder) {
  for (const CandidateCase& c :
       {CandidateCase{2, 1061, 1050, 50, 0.001f}, CandidateCase{3, 700, 700, 1, 0.5f},
        CandidateCase{1, 3000, 2999, 40, 0.5f}, CandidateCase{1, 2100, 2100, 1000, 1.0f},
        CandidateCase{2, 30, 20, 64, 0.25f}, CandidateCase{1, 10, 0, 5, 1.0f},
        CandidateCase{1, 600, 600, 7, 1000.0f}, CandidateCase{0, 600, 600, 7, 1.0f}}) {
    Floats logits = random_.Values(c.rows * c.columns, 12.0f);
    for (float& logit : logits) logit = std::round(logit / c.step) * c.step;
    const Device<float> device_logits(logits);
    const Device<TokenLogit> y(static_cast<std::size_t>(c.rows * c.count));
    Candidates({.logits = device_logits.data(),
                .rows = c.rows,
                .columns = c.columns,
                .limit = c.limit,
                .count = c.count,
                .y = y.data()},
               stream_);
    const auto found = y.Values();
    for (std::int64_t row = 0; row < c.rows; ++row) {
      const auto expected = Sorted(logits.data() + row * c.columns, c.limit, c.count);
      for (std::int64_t i = 0; i < c.count; ++i) {
        const TokenLogit& one = found[static_cast<std::size_t>(row * c.count + i)];
        ASSERT_EQ(one.column, expected[static_cast<std::size_t>(i)].column) << i;
        ASSERT_EQ(one.logit, expected[static_cast<std::size_t>(i)].logit) << i;
      }
    }
  }
}

// The exact leaders are among the candidates, and what takes no part is not.
TEST_P(SamplingKernels, RaceCandidatesHoldTheLeaders) {
  constexpr std::int64_t kColumns = 1061, kLimit = 1050, kCount = 16;
  for (const float scale : {0.2f, 3.0f, 40.0f}) {
    Floats logits = random_.Values(2 * kColumns, scale);
    logits[5] = -INFINITY;
    std::vector<RaceQuestion> questions;
    for (const double temperature : {0.1, 1.0, 4.0})
      for (const bool bounded : {false, true}) {
        RaceQuestion& one = questions.emplace_back();
        one.row = std::ssize(questions) % 2;
        one.count = 8;
        one.key.words = {static_cast<std::uint32_t>(questions.size()), 7u, 8u, 9u};
        one.temperature = temperature;
        if (bounded) one.before = {40, 0.0f};
      }
    std::vector<RaceRow> races;
    for (const RaceQuestion& one : questions)
      races.push_back({.row = static_cast<std::int32_t>(one.row),
                       .key_a = one.key.words[0],
                       .key_b = one.key.words[1],
                       .inverse_temperature = static_cast<float>(1.0 / one.temperature),
                       .before_logit = one.before.logit,
                       .before_column = one.before.column});
    const Device<float> device_logits(logits);
    const Device<RaceRow> device_races(races);
    const Device<TokenLogit> y(races.size() * kCount);
    RaceCandidates({.logits = device_logits.data(),
                    .columns = kColumns,
                    .limit = kLimit,
                    .first_token = 20'000,
                    .races = device_races.data(),
                    .race_count = std::ssize(races),
                    .count = kCount,
                    .y = y.data()},
                   stream_);
    const auto found = y.Values();
    for (std::size_t race = 0; race < races.size(); ++race) {
      const float* row = logits.data() + questions[race].row * kColumns;
      const auto candidates = std::span(found).subspan(race * kCount, kCount);
      for (const ColumnLogit& one : RaceLeadersOf({row, kLimit}, 20'000, questions[race]))
        EXPECT_TRUE(std::any_of(candidates.begin(), candidates.end(), [&](const TokenLogit& other) {
          return other.column == one.column && other.logit == one.logit;
        })) << one.column;
      for (const TokenLogit& one : candidates)
        if (one.column >= 0) {
          EXPECT_TRUE(ComesBefore({one.column, one.logit}, questions[race].before));
          EXPECT_TRUE(std::isfinite(one.logit));
        }
    }
  }
}

TEST_P(SamplingKernels, RaceCandidatesAreFewWhereFewTakePart) {
  const std::vector<float> logits{1.0f, -INFINITY, 3.0f, 2.0f, 2.0f};
  const std::vector<RaceRow> races{{.before_logit = 2.0f, .before_column = 4}};
  const Device<float> device_logits(logits);
  const Device<RaceRow> device_races(races);
  const Device<TokenLogit> y(4);
  RaceCandidates({.logits = device_logits.data(),
                  .columns = 5,
                  .limit = 5,
                  .races = device_races.data(),
                  .race_count = 1,
                  .count = 4,
                  .y = y.data()},
                 stream_);
  std::vector<std::int32_t> columns;
  for (const TokenLogit& one : y.Values()) columns.push_back(one.column);
  std::sort(columns.begin(), columns.end());
  EXPECT_EQ(columns, (std::vector<std::int32_t>{-1, -1, 2, 3}));
}

TEST_P(SamplingKernels, TakenLogitsBecomeImpossible) {
  const std::vector<float> logits{1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  const std::vector<LogitAt> places{{1, 2}, {0, 0}};
  const Device<float> device_logits(logits);
  const Device<LogitAt> device_places(places);
  const Device<float> y(2);
  TakeLogits({.logits = device_logits.data(),
              .columns = 3,
              .places = device_places.data(),
              .count = 2,
              .y = y.data()},
             stream_);
  EXPECT_EQ(y.Values(), (std::vector<float>{6.0f, 1.0f}));
  EXPECT_EQ(device_logits.Values(),
            (std::vector<float>{-INFINITY, 2.0f, 3.0f, 4.0f, 5.0f, -INFINITY}));
}

TEST_P(SamplingKernels, MassesMatchTheReference) {
  constexpr std::int64_t kColumns = 1500;
  Floats logits = random_.Values(2 * kColumns, 6.0f);
  for (float& logit : logits) logit = std::round(logit * 2.0f) / 2.0f;
  const std::vector<Range> ranges{{0, 700}, {700, 700}, {700, kColumns}};
  std::vector<MassRow> rows(3);
  std::vector<MassQuestion> questions(3);
  for (std::size_t i = 0; i < 3; ++i) {
    questions[i].row = rows[i].row = static_cast<std::int32_t>(i % 2);
    questions[i].reference = rows[i].reference = 6.0f;
    rows[i].inverse_temperature = i == 0 ? 1.0f : 0.5f;
    questions[i].temperature = i == 0 ? 1.0 : 2.0;
    for (int bound = 0; bound < kMassBounds; ++bound) {
      questions[i].bounds.push_back({bound * 200, static_cast<float>(bound - 4)});
      rows[i].bound_columns[bound] = bound * 200;
      rows[i].bound_logits[bound] = static_cast<float>(bound - 4);
    }
  }
  const Device<float> device_logits(logits);
  const Device<MassRow> device_rows(rows);
  const Device<ColumnRange> device_ranges(
      std::vector<ColumnRange>{{0, 700}, {700, 700}, {700, 1500}});
  const Device<double> y(9 * (kMassBounds + 1));
  SumMasses({.logits = device_logits.data(),
             .columns = kColumns,
             .questions = device_rows.data(),
             .question_count = 3,
             .ranges = device_ranges.data(),
             .range_count = 3,
             .y = y.data()},
            stream_);
  const auto found = y.Values();
  for (std::size_t i = 0; i < 9; ++i) {
    const MassQuestion& question = questions[i / 3];
    const auto expected =
        MassesOf({logits.data() + question.row * kColumns, kColumns}, ranges[i % 3], question);
    for (std::size_t bound = 0; bound < expected.size(); ++bound)
      EXPECT_NEAR(found[i * (kMassBounds + 1) + bound], expected[bound],
                  1e-5 * expected.back() + 1e-12);
  }
}

TEST_P(SamplingKernels, CandidatesRefuseMoreThanTheyCanSort) {
  EXPECT_THROW(Candidates({.rows = 1, .columns = 9, .limit = 9, .count = 1025}, stream_), Error);
  EXPECT_THROW(Candidates({.rows = 1, .columns = 9, .limit = 9, .count = 0}, stream_), Error);
  EXPECT_THROW(Candidates({.rows = 1, .columns = 9, .limit = 10, .count = 1}, stream_), Error);
}

INSTANTIATE_TEST_SUITE_P(Kernels, SamplingKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
