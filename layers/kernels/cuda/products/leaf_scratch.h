#pragma once

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/products/leaf_product.h"

namespace lockstep::cuda {

// What the blocks of LeafProduct() leave to each other, of one stream.
class LeafScratch {
 public:
  // Takes the memory, where it has not been taken yet.
  void Take(CudaStream& stream);
  void LendTo(LeafProductArgs& product, CudaStream& stream);

 private:
  Tensor partial_;
  Tensor arrived_;
};

}  // namespace lockstep::cuda
