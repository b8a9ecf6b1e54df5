#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/numbers/tensor.h"
#include "partition/plan/slice.h"

namespace lockstep {

struct TensorInfo {
  std::string name;
  DType dtype;
  Shape shape;
};

struct TensorSample {
  TensorInfo info;
  std::uint64_t hash;  // of some of its bytes
};

// A model's weights on disk: safetensors or PyTorch .bin, in one file or in several with an index.
// The files are mapped; a rank reads its own slices and nothing else.
// Read() may be called from several threads at once.
class Checkpoint {
 public:
  // Looks in `folder` for model.safetensors, model.safetensors.index.json, pytorch_model.bin and
  // pytorch_model.bin.index.json, in this order. Opens and validates the headers of all files;
  // reads no weights. Throws BadInput, or EnvironmentError when a file cannot be read.
  static Checkpoint Open(const std::filesystem::path& folder);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  // Null when there is no such tensor, or one of a type or rank that Lockstep does not read (masks
  // and other old buffers); Read() tells which.
  const TensorInfo* Find(std::string_view name) const;

  // The tensors that can be read, by name.
  std::vector<TensorInfo> tensors() const;

  // The same with a hash of what stands at a few places of each, beginning and end among them; of
  // all of it where that is little. Reads at most 32 KiB a tensor.
  std::vector<TensorSample> Samples() const;

  // The names of all tensors, sorted, also of those that cannot be read.
  const std::vector<std::string>& names() const;

  // The file or index that was opened.
  const std::string& where() const;

  // Copies a slice to `destination`, converting to its dtype.
  //   destination  on the host, fp32, fp16 or bf16: [rows, columns], of a vector [rows]
  // Beside the destination no more than a few MiB of memory are in use at a time.
  // Throws BadInput when the tensor is missing, is of a type that is not read, or has another
  // shape in the file than slice.stored_shape().
  void Read(const TensorSlice& slice, const TensorView& destination) const;

  // Bytes of weights this object has copied out of its files so far: each element once for each
  // time it was asked for, in the file's dtype. The disk reads whole pages, so that it may read
  // more for a slice of columns.
  std::uint64_t bytes_read() const;

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace lockstep
