#include "layers/kernels/cuda/cuda_row_search.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {
namespace {

static_assert(kMassBounds == MassQuestion::kMostBounds);

// So many more than are wanted.
constexpr std::int64_t kSpareCandidates = 8;
// Taken at once: texts of any length need no more memory.
constexpr std::size_t kMostPlaces = 1 << 14;

RaceRow RowOf(const RaceQuestion& question) {
  return {.row = static_cast<std::int32_t>(question.row),
          .key_a = question.key.words[0],
          .key_b = question.key.words[1],
          .inverse_temperature = static_cast<float>(1.0 / question.temperature),
          .before_logit = question.before.logit,
          .before_column = question.before.column};
}

MassRow RowOf(const MassQuestion& question) {
  LOCKSTEP_CHECK(question.bounds.size() <= kMassBounds, "{} bounds", question.bounds.size());
  MassRow row{.row = static_cast<std::int32_t>(question.row),
              .reference = question.reference,
              .inverse_temperature = static_cast<float>(1.0 / question.temperature)};
  for (std::size_t i = 0; i < kMassBounds; ++i) {
    const bool given = i < question.bounds.size();
    row.bound_logits[i] = given ? question.bounds[i].logit : std::numeric_limits<float>::infinity();
    row.bound_columns[i] = given ? question.bounds[i].column : 0;
  }
  return row;
}

// As the kernel computes it.
float CeilingOf(const RaceQuestion& question, std::int32_t token, float logit) {
  const std::uint32_t bits =
      NoiseBits(static_cast<std::uint32_t>(token), question.key.words[0], question.key.words[1]);
  const float uniform = static_cast<float>(bits >> 8) * 0x1p-24f;
  return logit * static_cast<float>(1.0 / question.temperature) - std::log(-std::log1p(-uniform));
}

// The leaders among the candidates, if no other column can be one.
std::optional<std::vector<ColumnLogit>> LeadersAmong(std::span<const TokenLogit> candidates,
                                                     std::int32_t first_token,
                                                     const RaceQuestion& question) {
  RaceLeaders leaders(question.count);
  for (const TokenLogit& one : candidates)
    if (one.column >= 0)
      leaders.Offer(
          RaceScore(question.key, first_token + one.column, one.logit, question.temperature),
          {one.column, one.logit});
  const TokenLogit& last = candidates.back();
  if (last.column >= 0) {  // there may be others
    const float ceiling = CeilingOf(question, first_token + last.column, last.logit);
    if (!(ceiling < LeastCeiling(leaders.least()))) return std::nullopt;
  }
  return leaders.Columns();
}

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& list) {
  return std::as_bytes(std::span<const T>(list));
}

std::vector<ColumnRange> ColumnsOf(std::span<const Range> ranges) {
  std::vector<ColumnRange> columns;
  for (const Range& range : ranges)
    columns.push_back(
        {static_cast<std::int32_t>(range.begin), static_cast<std::int32_t>(range.end)});
  return columns;
}

}  // namespace

void* CudaRowSearch::Send(std::span<const std::byte> bytes) {
  void* device = asked_.Get(bytes.size(), stream_);
  void* staged = questions_.Take(bytes.size());
  std::memcpy(staged, bytes.data(), bytes.size());
  Check(cudaMemcpyAsync(device, staged, bytes.size(), cudaMemcpyHostToDevice, stream_.get()),
        "cudaMemcpyAsync");
  questions_.Enqueued();
  return device;
}

template <typename T>
std::vector<T> CudaRowSearch::Fetch(const T* device, std::size_t count) {
  void* staged = answers_.Take(count * sizeof(T));
  Check(cudaMemcpyAsync(staged, device, count * sizeof(T), cudaMemcpyDeviceToHost, stream_.get()),
        "cudaMemcpyAsync");
  answers_.Enqueued();
  answers_.WaitForTurn();
  std::vector<T> values(count);
  std::memcpy(values.data(), staged, count * sizeof(T));
  return values;
}

void CudaRowSearch::Reserve(std::int64_t rows, std::int64_t ranges) {
  const auto count = static_cast<std::size_t>(rows);
  const auto each = static_cast<std::size_t>(ranges);
  constexpr auto kCandidates =
      static_cast<std::size_t>(MassQuestion::kMostBounds + kSpareCandidates);
  const std::size_t asked = std::max({kMostPlaces * sizeof(LogitAt), count * sizeof(RaceRow),
                                      count * sizeof(MassRow) + each * sizeof(ColumnRange),
                                      count * sizeof(std::int32_t) + each * sizeof(ColumnRange)});
  const std::size_t found =
      std::max({kMostPlaces * sizeof(float), count * kCandidates * sizeof(TokenLogit),
                count * static_cast<std::size_t>(kMaxCandidates) * sizeof(TokenLogit),
                count * each * std::max((kMassBounds + 1) * sizeof(double), sizeof(RowSummary))});
  asked_.Get(asked, stream_);
  questions_.Reserve(asked);
  found_.Get(found, stream_);
  answers_.Reserve(found);
}

std::vector<RowStatistics> CudaRowSearch::Statistics(const TensorView& logits,
                                                     std::span<const std::int64_t> targets,
                                                     std::span<const Range> ranges) {
  const std::size_t size = targets.size() * ranges.size();
  if (size == 0) return {};
  const std::vector<ColumnRange> columns = ColumnsOf(ranges);
  std::vector<std::int32_t> columns_asked;
  for (const std::int64_t target : targets)
    columns_asked.push_back(
        static_cast<std::int32_t>(std::clamp<std::int64_t>(target, -1, INT32_MAX)));
  std::vector<std::byte> asked(BytesOf(columns).begin(), BytesOf(columns).end());
  asked.insert(asked.end(), BytesOf(columns_asked).begin(), BytesOf(columns_asked).end());
  const auto* device = static_cast<const std::byte*>(Send(asked));
  auto* found = static_cast<RowSummary*>(found_.Get(size * sizeof(RowSummary), stream_));
  Summarise({.logits = logits.data<float>(),
             .targets = reinterpret_cast<const std::int32_t*>(device + BytesOf(columns).size()),
             .ranges = reinterpret_cast<const ColumnRange*>(device),
             .range_count = std::ssize(columns),
             .rows = logits.dim(0),
             .columns = logits.dim(1),
             .y = found},
            stream_.get());
  std::vector<RowStatistics> all;
  for (const RowSummary& one : Fetch(found, size))
    all.push_back({one.max, one.argmax, one.target, one.sum_exp});
  return all;
}

std::optional<std::vector<ColumnLogit>> CudaRowSearch::LargestLogits(const TensorView& logits,
                                                                     std::int64_t limit,
                                                                     std::int64_t count) {
  if (count < 1 || count > kMaxCandidates) return std::nullopt;
  std::vector<ColumnLogit> all;
  const auto size = static_cast<std::size_t>(logits.dim(0) * count);
  if (size == 0) return all;
  auto* found = static_cast<TokenLogit*>(found_.Get(size * sizeof(TokenLogit), stream_));
  Candidates({.logits = logits.data<float>(),
              .rows = logits.dim(0),
              .columns = logits.dim(1),
              .limit = limit,
              .count = count,
              .y = found},
             stream_.get());
  for (const TokenLogit& one : Fetch(found, size)) all.push_back({one.column, one.logit});
  return all;
}

std::vector<float> CudaRowSearch::TakeLogits(const TensorView& logits,
                                             std::span<const LogitPlace> places) {
  std::vector<float> taken;
  for (std::size_t first = 0; first < places.size(); first += kMostPlaces)
    TakeSome(logits, places.subspan(first, std::min(kMostPlaces, places.size() - first)), taken);
  return taken;
}

void CudaRowSearch::TakeSome(const TensorView& logits, std::span<const LogitPlace> places,
                             std::vector<float>& taken) {
  std::vector<LogitAt> at;
  for (const LogitPlace& place : places)
    at.push_back({static_cast<std::int32_t>(place.row), static_cast<std::int32_t>(place.column)});
  auto* found = static_cast<float*>(found_.Get(at.size() * sizeof(float), stream_));
  cuda::TakeLogits({.logits = logits.data<float>(),
                    .columns = logits.dim(1),
                    .places = static_cast<const LogitAt*>(Send(BytesOf(at))),
                    .count = std::ssize(at),
                    .y = found},
                   stream_.get());
  const std::vector<float> values = Fetch(found, at.size());
  taken.insert(taken.end(), values.begin(), values.end());
}

std::vector<std::optional<std::vector<ColumnLogit>>> CudaRowSearch::FindLeaders(
    const RowSearch& search, std::span<const RaceQuestion> questions) {
  std::vector<std::optional<std::vector<ColumnLogit>>> answers(questions.size());
  std::vector<RaceRow> races;
  std::int64_t count = 0;
  for (const RaceQuestion& question : questions) {
    races.push_back(RowOf(question));
    count = std::max(count, question.count + kSpareCandidates);
  }
  if (races.empty() || search.limit == 0) return answers;
  count = std::min(count, kMaxCandidates);
  const std::size_t size = races.size() * static_cast<std::size_t>(count);
  auto* found = static_cast<TokenLogit*>(found_.Get(size * sizeof(TokenLogit), stream_));
  RaceCandidates({.logits = search.logits.data<float>(),
                  .columns = search.logits.dim(1),
                  .limit = search.limit,
                  .first_token = search.first_token,
                  .races = static_cast<const RaceRow*>(Send(BytesOf(races))),
                  .race_count = std::ssize(races),
                  .count = count,
                  .y = found},
                 stream_.get());
  const std::vector<TokenLogit> candidates = Fetch(found, size);
  for (std::size_t race = 0; race < races.size(); ++race)
    answers[race] = LeadersAmong(
        std::span(candidates)
            .subspan(race * static_cast<std::size_t>(count), static_cast<std::size_t>(count)),
        search.first_token, questions[race]);
  return answers;
}

std::vector<std::vector<double>> CudaRowSearch::SumMasses(const RowSearch& search,
                                                          std::span<const MassQuestion> questions,
                                                          std::span<const Range> ranges) {
  std::vector<MassRow> rows;
  for (const MassQuestion& question : questions) rows.push_back(RowOf(question));
  const std::vector<ColumnRange> columns = ColumnsOf(ranges);
  std::vector<std::vector<double>> answers(rows.size() * columns.size());
  if (answers.empty()) return answers;
  std::vector<std::byte> asked(BytesOf(rows).begin(), BytesOf(rows).end());
  asked.insert(asked.end(), BytesOf(columns).begin(), BytesOf(columns).end());
  const auto* device = static_cast<const std::byte*>(Send(asked));
  constexpr std::size_t kSums = kMassBounds + 1;
  const std::size_t size = answers.size() * kSums;
  auto* found = static_cast<double*>(found_.Get(size * sizeof(double), stream_));
  cuda::SumMasses(
      {.logits = search.logits.data<float>(),
       .columns = search.logits.dim(1),
       .questions = reinterpret_cast<const MassRow*>(device),
       .question_count = std::ssize(rows),
       .ranges = reinterpret_cast<const ColumnRange*>(device + rows.size() * sizeof(MassRow)),
       .range_count = std::ssize(columns),
       .y = found},
      stream_.get());
  const std::vector<double> sums = Fetch(found, size);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const double* first = sums.data() + i * kSums;
    const std::size_t bounds = questions[i / columns.size()].bounds.size();
    answers[i].assign(first, first + bounds);
    answers[i].push_back(first[kMassBounds]);
  }
  return answers;
}

}  // namespace lockstep::cuda
