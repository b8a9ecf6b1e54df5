#pragma once

#include "layers/kernels/backend_choice.h"
#include "layers/kernels/cuda/cuda_ops.h"
#include "layers/kernels/cuda/steps/cuda_graphs.h"
#include "layers/kernels/step_runner.h"

namespace lockstep::cuda {

// Steps on a GPU: inputs in one piece, few shapes of single tokens, each recorded as a graph.
class CudaStepRunner final : public StepRunner {
 public:
  // Borrows both.
  CudaStepRunner(CudaDevice& device, CudaOps& ops, StepGraphs step_graphs)
      : device_(device), ops_(ops), step_graphs_(step_graphs), graphs_(device.cuda_stream()) {}
  // Of what is destroyed with the backend, the device uses nothing any more.
  ~CudaStepRunner() override {
    static_cast<void>(cudaStreamSynchronize(device_.cuda_stream().get()));
  }

  // Drops what has been recorded. Waits for nothing.
  void Forget() { graphs_.Clear(); }

  StepRows Reserve(const StepSizes& sizes) override;
  StepRows Begin(const StepInputs& inputs) override { return ops_.inputs().Begin(inputs); }
  void Run(const void* caller, const std::function<void()>& operations) override;
  void RunConcurrently(const std::function<void()>& first,
                       const std::function<void()>& linear) override;

 private:
  CudaDevice& device_;
  CudaOps& ops_;
  StepGraphs step_graphs_;
  CudaGraphs graphs_;
};

}  // namespace lockstep::cuda
