#pragma once

#include <functional>

#include "partition/architecture.h"
#include "partition/checkpoint.h"
#include "partition/slice.h"

namespace lockstep {

// Fills a host tensor [rows, columns] or [rows] with a slice of a model's weights: out of files,
// or made up (tests, benchmarks).
using SliceReader = std::function<void(const TensorSlice& slice, const TensorView& destination)>;

// Reads from the checkpoint, which must outlive the reader; finds the LM head under either of the
// family's names.
SliceReader ReaderOf(const Checkpoint& checkpoint, Family family);

}  // namespace lockstep
