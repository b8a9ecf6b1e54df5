#include "layers/kernels/cuda/steps/cuda_step_runner.h"

#include <algorithm>

namespace lockstep::cuda {

StepRows CudaStepRunner::Reserve(const StepSizes& sizes) {
  const StepLimits& limits = sizes.limits;
  const std::int64_t single =
      std::min({limits.tokens, std::max<std::int64_t>(limits.sequences, 1), kMaxBucketRows});
  const std::int64_t filled = BucketRows(single);
  const StepRows most{std::max(limits.tokens, filled), std::max(limits.logit_rows, filled)};
  // A caller may lie where one has lain that is gone, on some ranks and not on others.
  graphs_.Clear();
  device_.ReserveStaging();
  ops_.Reserve(sizes, most, std::max(filled, std::min(limits.tokens, limits.sequences)));
  return most;
}

void CudaStepRunner::Run(const void* caller, const std::function<void()>& operations) {
  const StepBucket bucket = ops_.inputs().bucket();
  if (bucket.rows > 0 && step_graphs_ == StepGraphs::kAuto)
    return graphs_.Run({caller, bucket.rows, bucket.max_positions}, operations);
  operations();
}

// Where a few rows meet many weights: products wait for memory, attention for one kernel after the
// other. In steps of many rows each fills the device by itself.
void CudaStepRunner::RunConcurrently(const std::function<void()>& first,
                                     const std::function<void()>& linear) {
  if (ops_.inputs().bucket().rows > 0) return ops_.RunBeside(first, linear);
  first();
  linear();
}

}  // namespace lockstep::cuda
