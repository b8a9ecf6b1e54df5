#include "layers/rows/answer_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "core/message_bytes.h"

namespace lockstep {
namespace {

// As a binary tree, balanced for powers of two: a rank's tree over its leaves of the vocabulary is
// a branch of the whole tree, so the bits are the same on 1, 2, 4 and 8 ranks.
template <class Part, class Combine>
Part CombineTree(std::span<const Part> parts, const Combine& combine) {
  if (parts.size() == 1) return parts.front();
  const std::size_t left = std::bit_floor(parts.size() - 1);
  return combine(CombineTree(parts.first(left), combine),
                 CombineTree(parts.subspan(left), combine));
}

// The statistics of two neighbouring ranges of columns as one. `a` comes first: it keeps the argmax
// of equal logits.
RowStatistics CombineStatistics(const RowStatistics& a, const RowStatistics& b) {
  RowStatistics both = a.max >= b.max ? a : b;
  const RowStatistics& lesser = a.max >= b.max ? b : a;
  both.target = a.target + b.target;  // zero in all but one
  if (lesser.sum_exp != 0.0)          // an empty range's, whose max is no number to subtract
    both.sum_exp += lesser.sum_exp * std::exp(static_cast<double>(lesser.max) - both.max);
  return both;
}

std::vector<double> AddMasses(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// The questions of a step to one rank's slice.
class SliceSearch {
 public:
  SliceSearch(const LogitSlice& slice, std::span<const RowQuestion> questions)
      : slice_(slice),
        questions_(questions),
        first_token_(static_cast<std::int32_t>(slice.vocab.begin)),
        columns_(std::clamp<std::int64_t>(slice.vocab_limit - slice.vocab.begin, 0,
                                          slice.vocab.size())) {}

  std::vector<RowStatistics> Statistics() const {
    std::vector<std::int64_t> targets;
    for (const RowQuestion& question : questions_)
      targets.push_back(question.target - slice_.vocab.begin);
    const auto parts = slice_.ops.Statistics(slice_.logits, targets, Leaves());
    std::vector<RowStatistics> rows;
    const std::size_t leaves = slice_.leaves.size();
    for (std::size_t first = 0; first < parts.size(); first += leaves) {
      rows.push_back(CombineTree(std::span(parts).subspan(first, leaves), CombineStatistics));
      rows.back().argmax += first_token_;
    }
    return rows;
  }

  // Of each question: the taken tokens of this slice.
  std::vector<std::vector<Candidate>> Taken() const {
    std::vector<LogitPlace> places;
    for (const RowQuestion& question : questions_)
      for (const std::int32_t token : question.taken)
        if (IsHere(token)) places.push_back({question.row, token - first_token_});
    const std::vector<float> logits =
        places.empty() ? std::vector<float>{} : slice_.ops.TakeLogits(slice_.logits, places);
    std::vector<std::vector<Candidate>> taken(questions_.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < questions_.size(); ++i)
      for (const std::int32_t token : questions_[i].taken)
        if (IsHere(token)) taken[i].push_back({token, logits[next++]});
    return taken;
  }

  // The likeliest that are left. The statistics mostly know a single one.
  std::vector<std::vector<Candidate>> Likeliest(std::span<const RowStatistics> statistics) const {
    std::vector<std::vector<Candidate>> all(questions_.size());
    std::int64_t most = 0;
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      const std::int64_t count = questions_[i].likeliest;
      if (count == 1 && !statistics.empty() && IsLeft(statistics[i].argmax, questions_[i]))
        all[i] = {{statistics[i].argmax, statistics[i].max}};
      else
        most = std::max(most, count);
    }
    if (most == 0 || columns_ == 0) return all;
    // One more than asked tells whether others are as likely as the last.
    const std::int64_t per_row = std::min(most + 1, columns_);
    const auto found = slice_.ops.LargestLogits(slice_.logits, columns_, per_row);
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      if (questions_[i].likeliest == 0 || !all[i].empty()) continue;
      const auto first = static_cast<std::size_t>(questions_[i].row * per_row);
      if (found)
        all[i] = Settled(std::span(*found).subspan(first, static_cast<std::size_t>(per_row)),
                         questions_[i].likeliest);
      if (all[i].empty())
        all[i] = lockstep::Likeliest(Downloaded(questions_[i].row), questions_[i].likeliest,
                                     first_token_);
    }
    return all;
  }

  std::vector<std::vector<Candidate>> Leaders() const {
    std::vector<RaceQuestion> races;
    std::vector<std::size_t> of;
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      const RowQuestion& question = questions_[i];
      if (question.leaders == 0 || columns_ == 0) continue;
      races.push_back({.row = question.row,
                       .count = question.leaders,
                       .key = question.key,
                       .temperature = question.temperature,
                       .before = Local(question.before)});
      of.push_back(i);
    }
    std::vector<std::vector<Candidate>> all(questions_.size());
    if (races.empty()) return all;
    const auto found = slice_.ops.FindLeaders(Search(), races);
    for (std::size_t race = 0; race < races.size(); ++race)
      for (const ColumnLogit& one : found[race])
        all[of[race]].push_back({first_token_ + one.column, one.logit});
    return all;
  }

  std::vector<std::vector<double>> Masses() const {
    std::vector<MassQuestion> asked;
    for (const RowQuestion& question : questions_) {
      if (question.bounds.empty()) continue;
      MassQuestion& one = asked.emplace_back();
      one.row = question.row;
      one.temperature = question.temperature;
      one.reference = question.reference;
      for (const Candidate& bound : question.bounds) one.bounds.push_back(Local(bound));
    }
    std::vector<std::vector<double>> all(questions_.size());
    if (asked.empty()) return all;
    std::vector<Range> leaves = Leaves();
    for (Range& leaf : leaves) {
      leaf.begin = std::min(leaf.begin, columns_);
      leaf.end = std::min(leaf.end, columns_);
    }
    const auto parts = slice_.ops.SumMasses(Search(), asked, leaves);
    std::size_t next = 0;
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      if (questions_[i].bounds.empty()) continue;
      all[i] = CombineTree(std::span(parts).subspan(next, leaves.size()), AddMasses);
      next += leaves.size();
    }
    return all;
  }

 private:
  bool IsHere(std::int32_t token) const {
    return token >= first_token_ && token < first_token_ + columns_;
  }
  bool IsLeft(std::int32_t token, const RowQuestion& question) const {
    return IsHere(token) &&
           std::find(question.taken.begin(), question.taken.end(), token) == question.taken.end();
  }
  ColumnLogit Local(const Candidate& one) const {
    return {one.token == kNoBound.token ? one.token : one.token - first_token_, one.logit};
  }
  RowSearch Search() const { return {slice_.logits, columns_, first_token_}; }

  std::vector<Range> Leaves() const {
    std::vector<Range> leaves;
    for (const Range& leaf : slice_.leaves)
      leaves.push_back({leaf.begin - slice_.vocab.begin, leaf.end - slice_.vocab.begin});
    return leaves;
  }

  // The likeliest among what the device found; empty where that does not settle it: ties at the
  // end, or no number.
  std::vector<Candidate> Settled(std::span<const ColumnLogit> found, std::int64_t count) const {
    for (const ColumnLogit& one : found)
      if (std::isnan(one.logit)) return {};
    const auto size = std::min(static_cast<std::size_t>(count), found.size());
    if (size < found.size() && found[size].logit == found[size - 1].logit) return {};
    std::vector<Candidate> candidates;
    for (const ColumnLogit& one : found.first(size))
      candidates.push_back({first_token_ + one.column, one.logit});
    std::sort(candidates.begin(), candidates.end(), IsLikelier);  // zeros of both signs are equal
    return candidates;
  }

  std::vector<float> Downloaded(std::int64_t row) const {
    const Tensor host = Tensor::OnHost(DType::kF32, {1, slice_.logits.dim(1)});
    slice_.device.Download(slice_.logits.Rows(row, 1), host.view());
    const float* values = host.view().data<float>();
    return {values, values + columns_};
  }

  const LogitSlice& slice_;
  std::span<const RowQuestion> questions_;
  std::int32_t first_token_;
  std::int64_t columns_;
};

}  // namespace

std::vector<std::byte> AnswerRows(const LogitSlice& slice, std::span<const RowQuestion> questions,
                                  FirstQuestions first) {
  const SliceSearch search(slice, questions);
  std::vector<RowStatistics> statistics;
  if (first == FirstQuestions::kYes) statistics = search.Statistics();
  const auto taken = search.Taken();
  const auto likeliest = search.Likeliest(statistics);
  const auto leaders = search.Leaders();
  const auto masses = search.Masses();
  MessageWriter writer;
  writer.PutList(statistics);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    writer.PutList(taken[i]);
    writer.PutList(likeliest[i]);
    writer.PutList(leaders[i]);
    writer.PutList(masses[i]);
  }
  return writer.Take();
}

std::vector<RowAnswer> MergeAnswers(std::span<const std::vector<std::byte>> answers,
                                    std::span<const RowQuestion> questions, FirstQuestions first) {
  std::vector<RowAnswer> rows(questions.size());
  std::vector<std::vector<RowStatistics>> statistics(questions.size());
  std::vector<std::vector<std::vector<double>>> masses(questions.size());
  for (const std::vector<std::byte>& answer : answers) {
    MessageReader reader(answer);
    const auto of_rank = reader.GetList<RowStatistics>();
    LOCKSTEP_CHECK(first == FirstQuestions::kNo || of_rank.size() == rows.size(),
                   "statistics of {} rows, expected {}", of_rank.size(), rows.size());
    for (std::size_t i = 0; i < of_rank.size(); ++i) statistics[i].push_back(of_rank[i]);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto append = [&](std::vector<Candidate>& list) {
        const auto more = reader.GetList<Candidate>();
        list.insert(list.end(), more.begin(), more.end());
      };
      append(rows[i].taken);
      append(rows[i].likeliest);
      append(rows[i].leaders);
      masses[i].push_back(reader.GetList<double>());
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].likeliest = MergeTopLogits(std::move(rows[i].likeliest), questions[i].likeliest);
    rows[i].masses = CombineTree(std::span<const std::vector<double>>(masses[i]), AddMasses);
    if (statistics[i].empty()) continue;
    const RowStatistics all =
        CombineTree(std::span<const RowStatistics>(statistics[i]), CombineStatistics);
    rows[i].max = all.max;
    rows[i].argmax = all.argmax;
    rows[i].target = all.target;
    rows[i].log_sum_exp = static_cast<double>(all.max) + std::log(all.sum_exp);
  }
  return rows;
}

}  // namespace lockstep
