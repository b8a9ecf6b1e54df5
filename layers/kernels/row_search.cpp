#include "layers/kernels/row_search.h"

#include <algorithm>
#include <cmath>

namespace lockstep {

void RaceLeaders::Offer(double score, const ColumnLogit& one) {
  const auto ahead = [](const Entry& a, const Entry& b) {
    return a.score != b.score ? a.score > b.score : a.one.column < b.one.column;
  };
  const Entry entry{score, one};
  if (count_ == 0 || (entries_.size() == count_ && !ahead(entry, entries_.back()))) return;
  if (entries_.size() == count_) entries_.pop_back();
  entries_.insert(std::upper_bound(entries_.begin(), entries_.end(), entry, ahead), entry);
}

std::vector<ColumnLogit> RaceLeaders::Columns() const {
  std::vector<ColumnLogit> columns;
  for (const Entry& entry : entries_) columns.push_back(entry.one);
  return columns;
}

std::vector<ColumnLogit> RaceLeadersOf(std::span<const float> row, std::int32_t first_token,
                                       const RaceQuestion& question) {
  RaceLeaders leaders(question.count);
  for (std::size_t i = 0; i < row.size(); ++i) {
    const ColumnLogit one{static_cast<std::int32_t>(i), row[i]};
    if (!std::isfinite(one.logit) || !ComesBefore(one, question.before)) continue;
    leaders.Offer(
        RaceScore(question.key, first_token + one.column, one.logit, question.temperature), one);
  }
  return leaders.Columns();
}

std::vector<double> MassesOf(std::span<const float> row, Range columns,
                             const MassQuestion& question) {
  std::vector<double> masses(question.bounds.size() + 1);
  for (std::int64_t column = columns.begin; column < columns.end; ++column) {
    const ColumnLogit one{static_cast<std::int32_t>(column), row[static_cast<std::size_t>(column)]};
    const double above = static_cast<double>(one.logit) - question.reference;
    const double weight = std::exp(above / question.temperature);
    for (std::size_t bound = 0; bound < question.bounds.size(); ++bound)
      if (ComesBefore(one, question.bounds[bound])) masses[bound] += weight;
    masses.back() += weight;
  }
  return masses;
}

}  // namespace lockstep
