#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "core/numbers/tensor.h"
#include "layers/kernels/noise.h"
#include "partition/plan/slice.h"

namespace lockstep {

// What choosing tokens asks of rows of logits [rows, columns] fp32, without moving the rows.

// A column of a row of logits; -1: none.
struct ColumnLogit {
  std::int32_t column = -1;
  float logit = 0.0f;

  bool operator==(const ColumnLogit&) const = default;
};

// The order of likelihood: the larger logit first, of equals the lower column.
inline bool ComesBefore(const ColumnLogit& a, const ColumnLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.column < b.column;
}

// Every column comes before this one.
constexpr ColumnLogit kBehindAll{std::numeric_limits<std::int32_t>::max(),
                                 -std::numeric_limits<float>::infinity()};

// One element of the logits.
struct LogitPlace {
  std::int64_t row = 0;
  std::int64_t column = 0;
};

// Which columns have the largest RaceScore().
struct RaceQuestion {
  std::int64_t row = 0;
  std::int64_t count = 1;  // that many are wanted
  NoiseKey key;
  double temperature = 1.0;
  ColumnLogit before = kBehindAll;  // only columns that come before it take part
};

// How much probability lies before each of some columns, which need not be in the row:
// sums of exp((logit - reference) / temperature).
struct MassQuestion {
  static constexpr std::size_t kMostBounds = 8;

  std::int64_t row = 0;
  double temperature = 1.0;
  float reference = 0.0f;  // about the largest logit
  std::vector<ColumnLogit> bounds;
};

// What the questions of a step have in common.
struct RowSearch {
  TensorView logits;
  std::int64_t limit = 0;        // columns from here on are not looked at
  std::int32_t first_token = 0;  // the token of column 0
};

// The answers as plain loops over one row in host memory: what backends fall back on and are
// compared with. Impossible columns (-infinity) take no part.
std::vector<ColumnLogit> RaceLeadersOf(std::span<const float> row, std::int32_t first_token,
                                       const RaceQuestion& question);
// One sum for each bound, and that of all.
std::vector<double> MassesOf(std::span<const float> row, Range columns,
                             const MassQuestion& question);

// The best so many of what is offered, by score; of equal scores the lower column.
class RaceLeaders {
 public:
  explicit RaceLeaders(std::int64_t count) : count_(static_cast<std::size_t>(count)) {}

  struct Entry {
    double score;
    ColumnLogit one;
  };
  void Offer(double score, const ColumnLogit& one);
  void Merge(const RaceLeaders& other) {
    for (const Entry& entry : other.entries_) Offer(entry.score, entry.one);
  }
  // What a score must reach to count; -infinity while there is room.
  double least() const {
    return entries_.size() < count_ ? -std::numeric_limits<double>::infinity()
                                    : entries_.back().score;
  }
  // The best first.
  std::vector<ColumnLogit> Columns() const;

 private:
  std::size_t count_;
  std::vector<Entry> entries_;  // sorted
};

}  // namespace lockstep
