#include <limits>
#include <utility>

#include "layers/kernels/backend.h"

// Searches of rows for backends that have none of their own, or not of these numbers. Apart from
// backend.cpp, because modules (device_module.h) have these too but not the other backends.

namespace lockstep {
namespace {

// One row of logits in host memory.
class HostRow {
 public:
  HostRow(Backend& backend, const TensorView& logits)
      : backend_(backend),
        logits_(logits),
        host_(Tensor::OnHost(DType::kF32, {1, logits.dim(1)})) {}

  std::span<float> Download(std::int64_t row) {
    backend_.Download(logits_.Rows(row, 1), host_.view());
    return {host_.view().data<float>(), static_cast<std::size_t>(logits_.dim(1))};
  }
  void Upload(std::int64_t row) { backend_.Upload(host_.view(), logits_.Rows(row, 1)); }

 private:
  Backend& backend_;
  TensorView logits_;
  Tensor host_;
};

}  // namespace

std::vector<float> Backend::TakeLogits(const TensorView& logits,
                                       std::span<const LogitPlace> places) {
  HostRow host(*this, logits);
  std::vector<float> taken;
  for (const LogitPlace& place : places) {
    float& logit = host.Download(place.row)[static_cast<std::size_t>(place.column)];
    taken.push_back(std::exchange(logit, -std::numeric_limits<float>::infinity()));
    host.Upload(place.row);
  }
  return taken;
}

std::vector<std::vector<ColumnLogit>> Backend::FindLeaders(
    const RowSearch& search, std::span<const RaceQuestion> questions) {
  HostRow host(*this, search.logits);
  std::vector<std::vector<ColumnLogit>> answers;
  for (const RaceQuestion& question : questions) {
    const auto row = host.Download(question.row).first(static_cast<std::size_t>(search.limit));
    answers.push_back(RaceLeadersOf(row, search.first_token, question));
  }
  return answers;
}

std::vector<std::vector<double>> Backend::SumMasses(const RowSearch& search,
                                                    std::span<const MassQuestion> questions,
                                                    std::span<const Range> ranges) {
  HostRow host(*this, search.logits);
  std::vector<std::vector<double>> answers;
  for (const MassQuestion& question : questions) {
    const std::span<const float> row = host.Download(question.row);
    for (const Range& range : ranges) answers.push_back(MassesOf(row, range, question));
  }
  return answers;
}

}  // namespace lockstep
