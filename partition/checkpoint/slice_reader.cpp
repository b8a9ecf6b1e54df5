#include "partition/checkpoint/slice_reader.h"

#include <cstring>
#include <memory>

#include "partition/checkpoint/tensor_names.h"

namespace lockstep {

SliceReader ReaderOf(const Checkpoint& checkpoint, const ModelSpec& spec) {
  const auto names = std::make_shared<const TensorNames>(checkpoint, spec);
  return [&checkpoint, names](const TensorSlice& slice, const TensorView& destination) {
    TensorSlice found = slice;
    found.name = names->Of(slice.name);
    if (found.name.empty()) {
      std::memset(destination.raw(), 0, destination.bytes());
    } else {
      checkpoint.Read(found, destination);
    }
  };
}

}  // namespace lockstep
