#pragma once

#include <optional>
#include <span>
#include <vector>

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/ops.h"

namespace lockstep::cuda {

// What CudaOps answers about rows of logits: questions to the device, kernels, answers back.
class CudaRowSearch {
 public:
  explicit CudaRowSearch(CudaStream& stream)
      : stream_(stream), questions_(stream), answers_(stream) {}

  // Takes all memory that so many rows need, so that no step allocates or frees.
  void Reserve(std::int64_t rows, std::int64_t ranges);

  std::vector<RowStatistics> Statistics(const TensorView& logits,
                                        std::span<const std::int64_t> targets,
                                        std::span<const Range> ranges);

  std::optional<std::vector<ColumnLogit>> LargestLogits(const TensorView& logits,
                                                        std::int64_t limit, std::int64_t count);

  std::vector<float> TakeLogits(const TensorView& logits, std::span<const LogitPlace> places);

  // The device orders columns by scores in single precision. Of a few more than are wanted the
  // exact scores are computed here; where even these leave a doubt (it takes a dozen scores that
  // differ by a thousandth) there is no answer, and the whole row has to be looked at.
  std::vector<std::optional<std::vector<ColumnLogit>>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions);

  std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                             std::span<const MassQuestion> questions,
                                             std::span<const Range> ranges);

 private:
  void TakeSome(const TensorView& logits, std::span<const LogitPlace> places,
                std::vector<float>& taken);
  // Copies to the device, where it stays until the next call.
  void* Send(std::span<const std::byte> bytes);
  template <typename T>
  std::vector<T> Fetch(const T* device, std::size_t count);

  CudaStream& stream_;
  PinnedTurns questions_;
  PinnedTurns answers_;
  Scratch asked_;
  Scratch found_;
};

}  // namespace lockstep::cuda
