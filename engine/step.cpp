#include "engine/step.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/activity.h"
#include "core/error.h"

namespace lockstep {
namespace {

static_assert(std::is_trivially_copyable_v<RowStatistics>);

// Columns of the global vocabulary [0, limit) that lie in this rank's slice.
std::int64_t LocalColumns(Range vocab_rows, std::int64_t limit) {
  return std::clamp<std::int64_t>(limit - vocab_rows.begin, 0, vocab_rows.size());
}

void Append(Communicator::Bytes& bytes, const void* data, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), first, first + size);
}

// One row of this rank's logits, in host memory, without padding of the vocabulary.
class HostRow {
 public:
  HostRow(Decoder& decoder, const TensorView& logits, std::int64_t columns)
      : decoder_(decoder),
        logits_(logits),
        host_(Tensor::OnHost(DType::kF32, {1, logits.dim(1)})),
        columns_(static_cast<std::size_t>(columns)) {}

  std::span<const float> Get(std::size_t row) {
    decoder_.backend().Download(logits_.Rows(static_cast<std::int64_t>(row), 1), host_.view());
    return std::span(host_.view().data<float>(), columns_);
  }

 private:
  Decoder& decoder_;
  TensorView logits_;
  Tensor host_;
  std::size_t columns_;
};

// The statistics of two neighbouring ranges of columns as one. `a` comes first: it keeps the argmax
// of equal logits.
RowStatistics Combine(const RowStatistics& a, const RowStatistics& b) {
  RowStatistics both = a.max >= b.max ? a : b;
  const RowStatistics& lesser = a.max >= b.max ? b : a;
  both.target = a.target + b.target;  // zero in all but one
  if (lesser.sum_exp != 0.0)          // an empty range's, whose max is no number to subtract
    both.sum_exp += lesser.sum_exp * std::exp(static_cast<double>(lesser.max) - both.max);
  return both;
}

// As a binary tree, balanced for powers of two: a rank's tree over its leaves of the vocabulary is
// a branch of the whole tree, so the bits are the same on 1, 2, 4 and 8 ranks.
RowStatistics CombineTree(std::span<const RowStatistics> parts) {
  if (parts.size() == 1) return parts.front();
  const std::size_t left = std::bit_floor(parts.size() - 1);
  return Combine(CombineTree(parts.first(left)), CombineTree(parts.subspan(left)));
}

std::vector<RowStatistics> LocalStatistics(Decoder& decoder, const TensorView& logits,
                                           const StepMessage& message) {
  const Range vocab = decoder.vocab_rows();
  std::vector<std::int64_t> targets;
  for (const RowRequest& row : message.rows) targets.push_back(row.target - vocab.begin);
  std::vector<Range> leaves;
  for (const Range& leaf : decoder.vocab_leaves())
    leaves.push_back({leaf.begin - vocab.begin, leaf.end - vocab.begin});
  const auto parts = decoder.backend().Statistics(logits, targets, leaves);
  std::vector<RowStatistics> statistics;
  for (std::size_t first = 0; first < parts.size(); first += leaves.size()) {
    RowStatistics row = CombineTree(std::span(parts).subspan(first, leaves.size()));
    row.argmax += static_cast<std::int32_t>(vocab.begin);
    statistics.push_back(row);
  }
  return statistics;
}

// The likeliest tokens of the rows, found by the backend where it can: then a row of some fifty
// thousand logits does not leave its device.
class LikeliestOfRows {
 public:
  LikeliestOfRows(Decoder& decoder, const TensorView& logits, const StepMessage& message)
      : first_token_(static_cast<std::int32_t>(decoder.vocab_rows().begin)),
        host_(decoder, logits, LocalColumns(decoder.vocab_rows(), message.vocab_limit)) {
    const std::int64_t columns = LocalColumns(decoder.vocab_rows(), message.vocab_limit);
    std::int64_t most = 0;
    for (const RowRequest& row : message.rows) most = std::max(most, row.likeliest);
    // One more than asked tells whether others are as likely as the last. A single one is mostly
    // known already.
    if (most <= 1 || columns == 0) return;
    per_row_ = std::min(most + 1, columns);
    found_ = decoder.backend().LargestLogits(logits, columns, per_row_);
  }

  // As Likeliest() of the row.
  std::vector<Candidate> Get(std::size_t row, std::int64_t count) {
    std::vector<Candidate> all = FromBackend(row, count);
    return all.empty() ? Likeliest(host_.Get(row), count, first_token_) : all;
  }
  HostRow& host() { return host_; }

 private:
  // Empty where the backend's answer does not settle it: ties at the end, or no number.
  std::vector<Candidate> FromBackend(std::size_t row, std::int64_t count) const {
    if (found_.empty()) return {};
    const auto of_row = std::span(found_).subspan(row * static_cast<std::size_t>(per_row_),
                                                  static_cast<std::size_t>(per_row_));
    for (const ColumnLogit& one : of_row)
      if (std::isnan(one.logit)) return {};
    const auto size = static_cast<std::size_t>(std::min(count, per_row_));
    if (size < of_row.size() && of_row[size].logit == of_row[size - 1].logit) return {};
    std::vector<Candidate> candidates;
    for (const ColumnLogit& one : of_row.first(size))
      candidates.push_back({first_token_ + one.column, one.logit});
    std::sort(candidates.begin(), candidates.end(), IsLikelier);  // zeros of both signs are equal
    return candidates;
  }

  std::int32_t first_token_;
  HostRow host_;
  std::int64_t per_row_ = 0;
  std::vector<ColumnLogit> found_;
};

// This rank's answer: the statistics of all rows; for each row the number of its likeliest tokens
// and these; then the rows asked whole.
Communicator::Bytes LocalAnswer(Decoder& decoder, const TensorView& logits,
                                const StepMessage& message) {
  const auto statistics = LocalStatistics(decoder, logits, message);
  const auto first_token = static_cast<std::int32_t>(decoder.vocab_rows().begin);
  const std::int64_t columns = LocalColumns(decoder.vocab_rows(), message.vocab_limit);
  LikeliestOfRows search(decoder, logits, message);

  Communicator::Bytes answer;
  Append(answer, statistics.data(), statistics.size() * sizeof(RowStatistics));
  for (std::size_t row = 0; row < message.rows.size(); ++row) {
    const std::int64_t count = message.rows[row].likeliest;
    std::vector<Candidate> likeliest;
    // For greedy choice the statistics know it already, unless a padding token is the likeliest.
    if (count == 1 && statistics[row].argmax < first_token + columns)
      likeliest = {{statistics[row].argmax, statistics[row].max}};
    else if (count > 0)
      likeliest = search.Get(row, count);
    const std::size_t size = likeliest.size();
    Append(answer, &size, sizeof(size));
    Append(answer, likeliest.data(), size * sizeof(Candidate));
  }
  for (std::size_t row = 0; row < message.rows.size(); ++row)
    if (message.rows[row].whole_row) {
      const auto values = search.host().Get(row);
      Append(answer, values.data(), values.size_bytes());
    }
  return answer;
}

RowResult CombineStatistics(const std::vector<Communicator::Bytes>& answers, std::size_t row) {
  std::vector<RowStatistics> parts;
  for (const Communicator::Bytes& answer : answers) {
    RowStatistics part;
    LOCKSTEP_CHECK(answer.size() >= (row + 1) * sizeof(part), "answer of {} bytes", answer.size());
    std::memcpy(&part, answer.data() + row * sizeof(part), sizeof(part));
    parts.push_back(part);
  }
  const RowStatistics all = CombineTree(parts);
  RowResult result;
  result.max = all.max;
  result.argmax = all.argmax;
  result.target = all.target;
  result.log_sum_exp = static_cast<double>(all.max) + std::log(all.sum_exp);
  return result;
}

// Takes what stands behind the statistics of one rank's answer.
class AnswerReader {
 public:
  AnswerReader(const Communicator::Bytes& answer, std::size_t rows)
      : rest_(std::span(answer).subspan(rows * sizeof(RowStatistics))) {}

  std::size_t left() const { return rest_.size(); }

  // Appends `count` elements to the list.
  template <typename T>
  void Take(std::size_t count, std::vector<T>& list) {
    static_assert(std::is_trivially_copyable_v<T>);
    LOCKSTEP_CHECK(count <= rest_.size() / sizeof(T), "{} elements in {} bytes", count,
                   rest_.size());
    const std::size_t before = list.size();
    list.resize(before + count);
    if (count != 0) std::memcpy(list.data() + before, rest_.data(), count * sizeof(T));
    rest_ = rest_.subspan(count * sizeof(T));
  }

 private:
  std::span<const std::byte> rest_;
};

// Adds one rank's likeliest tokens and its part of the whole rows to the results.
void AppendAnswer(const Communicator::Bytes& answer, const StepMessage& message,
                  std::vector<RowResult>& results) {
  AnswerReader reader(answer, message.rows.size());
  for (RowResult& result : results) {
    std::vector<std::size_t> size;
    reader.Take(1, size);
    reader.Take(size.front(), result.likeliest);
  }
  std::size_t wanted = 0;
  for (const RowRequest& row : message.rows) wanted += row.whole_row ? 1 : 0;
  if (wanted == 0) return;
  const std::size_t columns = reader.left() / wanted / sizeof(float);
  for (std::size_t row = 0; row < results.size(); ++row)
    if (message.rows[row].whole_row) reader.Take(columns, results[row].logits);
}

}  // namespace

std::vector<RowResult> ExecuteStep(Decoder& decoder, Communicator& communicator,
                                   const StepMessage& message) {
  const Activity doing(fmt::format("computing a step of {} tokens of {} sequences",
                                   message.batch.ids.size(), message.batch.sequences.size()));
  const TensorView logits = decoder.Forward(message.batch);
  const auto answers = communicator.Gather(LocalAnswer(decoder, logits, message));
  if (communicator.rank() != 0) return {};
  std::vector<RowResult> results;
  for (std::size_t row = 0; row < message.rows.size(); ++row)
    results.push_back(CombineStatistics(answers, row));
  for (const Communicator::Bytes& answer : answers) AppendAnswer(answer, message, results);
  for (std::size_t row = 0; row < results.size(); ++row)
    results[row].likeliest =
        MergeLikeliest(std::move(results[row].likeliest), message.rows[row].likeliest);
  return results;
}

}  // namespace lockstep
