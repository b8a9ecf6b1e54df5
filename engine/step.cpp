#include "engine/step.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

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

// This rank's answer: the statistics of all rows, ids made global, then the rows asked whole.
Communicator::Bytes LocalAnswer(Decoder& decoder, const TensorView& logits,
                                const StepMessage& message) {
  const Range vocab = decoder.vocab_rows();
  const std::int64_t columns = LocalColumns(vocab, message.vocab_limit);
  std::vector<std::int64_t> targets;
  for (const RowRequest& row : message.rows) {
    const bool here = row.target >= vocab.begin && row.target < vocab.begin + columns;
    targets.push_back(here ? row.target - vocab.begin : -1);
  }
  std::vector<RowStatistics> statistics = decoder.backend().Statistics(logits, targets, columns);
  for (RowStatistics& row : statistics) row.argmax += static_cast<std::int32_t>(vocab.begin);

  Communicator::Bytes answer;
  Append(answer, statistics.data(), statistics.size() * sizeof(RowStatistics));
  const Tensor host = Tensor::OnHost(DType::kF32, {1, logits.dim(1)});
  for (std::size_t row = 0; row < message.rows.size(); ++row) {
    if (!message.rows[row].whole_row) continue;
    decoder.backend().Download(logits.Rows(static_cast<std::int64_t>(row), 1), host.view());
    Append(answer, host.view().raw(), static_cast<std::size_t>(columns) * sizeof(float));
  }
  return answer;
}

// Rank after rank through one row: the order is fixed, so every run gives the same bits.
RowResult CombineStatistics(const std::vector<Communicator::Bytes>& answers, std::size_t row) {
  RowResult result;
  result.max = -std::numeric_limits<float>::infinity();
  std::vector<RowStatistics> parts;
  for (const Communicator::Bytes& answer : answers) {
    RowStatistics part;
    LOCKSTEP_CHECK(answer.size() >= (row + 1) * sizeof(part), "answer of {} bytes", answer.size());
    std::memcpy(&part, answer.data() + row * sizeof(part), sizeof(part));
    if (part.max > result.max) {
      result.max = part.max;
      result.argmax = part.argmax;
    }
    result.target += part.target;  // zero on every rank but one
    parts.push_back(part);
  }
  double sum = 0.0;
  for (const RowStatistics& part : parts)
    sum += part.sum_exp * std::exp(static_cast<double>(part.max) - result.max);
  result.log_sum_exp = static_cast<double>(result.max) + std::log(sum);
  return result;
}

// Each rank's whole rows stand behind its statistics, in the order of the rows.
void AppendWholeRows(const Communicator::Bytes& answer, const StepMessage& message,
                     std::vector<RowResult>& results) {
  std::size_t wanted = 0;
  for (const RowRequest& row : message.rows) wanted += row.whole_row ? 1 : 0;
  if (wanted == 0) return;
  std::size_t offset = message.rows.size() * sizeof(RowStatistics);
  const std::size_t row_bytes = (answer.size() - offset) / wanted;
  for (std::size_t row = 0; row < message.rows.size(); ++row) {
    if (!message.rows[row].whole_row) continue;
    std::vector<float>& logits = results[row].logits;
    const std::size_t before = logits.size();
    logits.resize(before + row_bytes / sizeof(float));
    if (row_bytes != 0) std::memcpy(logits.data() + before, answer.data() + offset, row_bytes);
    offset += row_bytes;
  }
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
  for (const Communicator::Bytes& answer : answers) AppendWholeRows(answer, message, results);
  return results;
}

}  // namespace lockstep
