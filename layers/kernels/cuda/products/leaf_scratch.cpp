#include "layers/kernels/cuda/products/leaf_scratch.h"

#include "layers/kernels/cuda/cuda_check.h"

namespace lockstep::cuda {

void LeafScratch::Take(CudaStream& stream) {
  if (!partial_.empty()) return;
  partial_ = DeviceTensor(DType::kF32, {kLeafPartialElements});
  arrived_ = DeviceTensor(DType::kI32, {kLeafArrivals});
  Check(cudaMemsetAsync(arrived_.view().raw(), 0, arrived_.view().bytes(), stream.get()),
        "cudaMemsetAsync");
}

void LeafScratch::LendTo(LeafProductArgs& product, CudaStream& stream) {
  Take(stream);
  product.partial = partial_.view().data<float>();
  product.arrived = static_cast<unsigned*>(arrived_.view().raw());
}

}  // namespace lockstep::cuda
