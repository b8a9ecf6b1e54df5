#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// A tensor as a PyTorch state dict describes it: a strided window on a storage. All numbers of
// elements; nothing is checked against the storage's real size yet.
struct StateDictTensor {
  std::string name;
  std::string storage_type;  // "HalfStorage"
  std::string storage_key;   // the file data/<key> of the archive
  std::int64_t storage_elements = 0;
  std::int64_t storage_offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

// The tensors of a pickled state dict (data.pkl): a dict or OrderedDict of tensors and parameters.
// Values that are no tensors are passed over. Executes nothing; see ParsePickle().
//   where  the file's name, for messages
// Throws BadInput for every other pickle.
std::vector<StateDictTensor> ParseStateDict(std::span<const std::byte> pickle,
                                            std::string_view where);

}  // namespace lockstep
