#pragma once

#include <functional>

#include "partition/checkpoint/checkpoint.h"
#include "partition/model/model_spec.h"
#include "partition/plan/slice.h"

namespace lockstep {

// Fills a host tensor [rows, columns] or [rows] with a slice of a model's weights: out of files,
// or made up (tests, benchmarks).
using SliceReader = std::function<void(const TensorSlice& slice, const TensorView& destination)>;

// Reads from the checkpoint, which must outlive the reader; finds the tensors under whichever names
// it has (TensorNames). Throws BadInput where they are of a kind that cannot be run.
SliceReader ReaderOf(const Checkpoint& checkpoint, const ModelSpec& spec);

}  // namespace lockstep
