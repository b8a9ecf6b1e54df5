#include "layers/kernels/cpu/cpu_row_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "core/error.h"

namespace lockstep::cpu {
namespace {

static_assert(kMassBounds == MassQuestion::kMostBounds);

const float* RowOf(const RowSearch& search, std::int64_t row) {
  return search.logits.data<float>() + row * search.logits.dim(1);
}

using ScanKernel = std::int64_t (*)(LeaderScan&, std::int64_t);

// Offers every column that the kernel cannot rule out, and tells it after each what is the least
// that still counts.
template <class Offer>
void ScanColumns(ScanKernel kernel, LeaderScan scan, std::int64_t begin, const Offer& offer) {
  for (; begin < scan.end; begin += 64) {
    begin = kernel(scan, begin);
    for (; scan.found != 0; scan.found &= scan.found - 1)
      scan.least = offer(begin + std::countr_zero(scan.found));
  }
}

RaceLeaders LeadersAmong(const RowSearch& search, const RaceQuestion& question, Range columns,
                         const Kernels& kernels) {
  RaceLeaders leaders(question.count);
  const LeaderScan scan{
      .x = RowOf(search, question.row),
      .end = columns.end,
      .inverse_temperature = static_cast<float>(1.0 / question.temperature),
      .least = -std::numeric_limits<float>::infinity(),
      .first_token = static_cast<std::uint32_t>(search.first_token),
      .key_a = question.key.words[0],
      .key_b = question.key.words[1],
  };
  ScanColumns(kernels.scan_race, scan, columns.begin, [&](std::int64_t column) {
    const ColumnLogit one{static_cast<std::int32_t>(column), scan.x[column]};
    if (std::isfinite(one.logit) && ComesBefore(one, question.before))
      leaders.Offer(
          RaceScore(question.key, search.first_token + one.column, one.logit, question.temperature),
          one);
    return LeastCeiling(leaders.least());
  });
  return leaders;
}

// Scores are the logits themselves.
RaceLeaders LargestAmong(const RowSearch& search, std::int64_t row, std::int64_t count,
                         Range columns, const Kernels& kernels) {
  RaceLeaders leaders(count);
  const LeaderScan scan{.x = RowOf(search, row),
                        .end = columns.end,
                        .least = -std::numeric_limits<float>::infinity()};
  ScanColumns(kernels.scan_logits, scan, columns.begin, [&](std::int64_t column) {
    const float logit = scan.x[column];
    leaders.Offer(std::isnan(logit) ? -std::numeric_limits<double>::infinity() : logit,
                  {static_cast<std::int32_t>(column), logit});
    return static_cast<float>(leaders.least());
  });
  return leaders;
}

// Runs `search` for pieces of the columns of every row, as many as keep the threads busy, and
// merges what they found.
std::vector<RaceLeaders> InPieces(
    std::int64_t rows, std::int64_t limit, ThreadPool& pool,
    const std::function<RaceLeaders(std::int64_t row, Range columns)>& search) {
  const std::int64_t pieces = rows >= 4 * pool.size() ? 1 : pool.size();
  std::vector<RaceLeaders> found(static_cast<std::size_t>(rows * pieces), RaceLeaders(0));
  pool.ParallelForPieces(rows * pieces, kBlockRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t piece = i % pieces;
      found[static_cast<std::size_t>(i)] =
          search(i / pieces, {limit * piece / pieces, limit * (piece + 1) / pieces});
    }
  });
  std::vector<RaceLeaders> all;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (static_cast<std::int64_t>(i) % pieces == 0)
      all.push_back(std::move(found[i]));
    else
      all.back().Merge(found[i]);
  return all;
}

void SumMasses(const RowSearch& search, const MassQuestion& question, Range range,
               const Kernels& kernels, std::vector<double>& sums) {
  LOCKSTEP_CHECK(question.bounds.size() <= kMassBounds, "{} bounds", question.bounds.size());
  double all[kMassBounds + 1];
  MassScan scan{.x = RowOf(search, question.row) + range.begin,
                .columns = range.size(),
                .reference = question.reference,
                .inverse_temperature = static_cast<float>(1.0 / question.temperature),
                .bounds = static_cast<int>(question.bounds.size()),
                .sums = all};
  for (std::size_t i = 0; i < kMassBounds; ++i) {
    const bool given = i < question.bounds.size();
    scan.bound_logits[i] =
        given ? question.bounds[i].logit : std::numeric_limits<float>::infinity();
    scan.bound_columns[i] =
        given ? question.bounds[i].column - static_cast<std::int32_t>(range.begin) : 0;
  }
  kernels.masses(scan);
  sums.assign(all, all + question.bounds.size());
  sums.push_back(all[kMassBounds]);
}

}  // namespace

std::vector<std::vector<ColumnLogit>> FindLeaders(const RowSearch& search,
                                                  std::span<const RaceQuestion> questions,
                                                  const Kernels& kernels, ThreadPool& pool) {
  std::vector<std::vector<ColumnLogit>> answers;
  for (const RaceLeaders& leaders :
       InPieces(std::ssize(questions), search.limit, pool, [&](std::int64_t i, Range columns) {
         return LeadersAmong(search, questions[static_cast<std::size_t>(i)], columns, kernels);
       }))
    answers.push_back(leaders.Columns());
  return answers;
}

std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                           std::span<const MassQuestion> questions,
                                           std::span<const Range> ranges, const Kernels& kernels,
                                           ThreadPool& pool) {
  const auto count = std::ssize(ranges);
  std::vector<std::vector<double>> answers(questions.size() * ranges.size());
  pool.ParallelForPieces(std::ssize(answers), kBlockRows,
                         [&](std::int64_t begin, std::int64_t end) {
                           for (std::int64_t i = begin; i < end; ++i)
                             SumMasses(search, questions[static_cast<std::size_t>(i / count)],
                                       ranges[static_cast<std::size_t>(i % count)], kernels,
                                       answers[static_cast<std::size_t>(i)]);
                         });
  return answers;
}

std::vector<ColumnLogit> LargestLogits(const RowSearch& search, std::int64_t count,
                                       const Kernels& kernels, ThreadPool& pool) {
  std::vector<ColumnLogit> answers;
  for (const RaceLeaders& leaders :
       InPieces(search.logits.dim(0), search.limit, pool, [&](std::int64_t row, Range columns) {
         return LargestAmong(search, row, count, columns, kernels);
       })) {
    const std::vector<ColumnLogit> of_row = leaders.Columns();
    answers.insert(answers.end(), of_row.begin(), of_row.end());
  }
  return answers;
}

}  // namespace lockstep::cpu
