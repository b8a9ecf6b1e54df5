#pragma once

#include <cstdint>

#include "comm/reducer.h"
#include "core/numbers/tensor.h"
#include "layers/kernels/device.h"
#include "layers/kernels/step_inputs.h"

namespace lockstep {

// The tensors of a decoder's step. Grown when a larger batch comes and kept: the steps of a run are
// alike. Not thread-safe: the thread of the device.
struct Workspace {
  Device& device;
  DType activations;  // of what stands below without a dtype
  Tensor x;           // [tokens, d_model] fp32 the residual stream, the same on every rank
  Tensor normed;      // [tokens, d_model]
  Tensor mlp_normed;  // [tokens, d_model] where attention and MLP have norms of one x
  Tensor qkv;         // [tokens, 3 * local_heads * d_head]
  Tensor attention;   // [tokens, local_heads * d_head]
  Tensor ffn;         // [tokens, local_ffn]
  Tensor partial;     // [tokens, d_model] fp32 this rank's part of a sum over the ranks
  Tensor logits;      // [logit rows, local vocab rows] fp32
  StepRows step;      // the rows of this one

  Workspace(Device& device_in, DType activations_in)
      : device(device_in), activations(activations_in) {}

  TensorView Floats(Tensor& tensor, std::int64_t rows, std::int64_t width) {
    return View(tensor, DType::kF32, rows, width);
  }
  TensorView Activations(Tensor& tensor, std::int64_t rows, std::int64_t width) {
    return View(tensor, activations, rows, width);
  }
  TensorView View(Tensor& tensor, DType dtype, std::int64_t rows, std::int64_t width) {
    if (IsShort(tensor, rows)) {
      LetGo(tensor);
      tensor = device.Allocate(dtype, {rows, width});
    }
    return tensor.view().Rows(0, rows);
  }

  // What is summed over the ranks lies where the reducer adds without copying.
  void Reserve(std::int64_t rows, std::int64_t d_model, Reducer& reducer) {
    for (Tensor* tensor : {&x, &partial}) {
      if (!IsShort(*tensor, rows)) continue;
      LetGo(*tensor);
      *tensor = reducer.AllocateReducible({rows, d_model});
    }
  }

 private:
  static bool IsShort(const Tensor& tensor, std::int64_t rows) {
    return tensor.empty() || tensor.view().dim(0) < rows;
  }
  // Freeing memory of a device waits for what the device does, and nobody can end that; this wait
  // ends when a peer is gone.
  void LetGo(Tensor& tensor) {
    if (tensor.empty()) return;
    device.Synchronize();
    tensor = {};
  }
};

}  // namespace lockstep
