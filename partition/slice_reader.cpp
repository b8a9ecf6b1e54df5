#include "partition/slice_reader.h"

#include <string>

namespace lockstep {
namespace {

// "embed_out.weight" -> "lm_head.weight", when that is what the checkpoint calls it.
std::string NameInCheckpoint(const Checkpoint& checkpoint, const Architecture& names,
                             const std::string& name) {
  if (names.head_alias.empty() || checkpoint.Find(name) != nullptr) return name;
  if (!name.starts_with(std::string(names.head) + ".")) return name;
  const std::string alias = std::string(names.head_alias) + name.substr(names.head.size());
  return checkpoint.Find(alias) != nullptr ? alias : name;
}

}  // namespace

SliceReader ReaderOf(const Checkpoint& checkpoint, Family family) {
  const Architecture& names = ArchitectureOf(family);
  return [&checkpoint, &names](const TensorSlice& slice, const TensorView& destination) {
    TensorSlice found = slice;
    found.name = NameInCheckpoint(checkpoint, names, slice.name);
    checkpoint.Read(found, destination);
  };
}

}  // namespace lockstep
