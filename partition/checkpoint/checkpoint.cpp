#include "partition/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>

#include "core/error.h"
#include "core/files/file.h"
#include "core/hash.h"
#include "core/heartbeat.h"
#include "partition/checkpoint/checkpoint_index.h"
#include "partition/checkpoint/formats/safetensors.h"
#include "partition/checkpoint/formats/torch_bin.h"
#include "partition/checkpoint/slice_copy.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

using OpenFile = TensorFile (*)(const fs::path&);

struct Format {
  std::string_view file;
  std::string_view index;
  OpenFile open;
};

// In order of preference, as Hugging Face transformers has it.
constexpr std::array kFormats = {
    Format{"model.safetensors", "model.safetensors.index.json", OpenSafetensors},
    Format{"pytorch_model.bin", "pytorch_model.bin.index.json", OpenTorchBin},
};

struct Entry {
  StoredTensor stored;
  const MappedFile* file;
  std::optional<TensorInfo> info;  // empty when it is of a kind that is not read
};

// "flax_model.msgpack, model.gguf": what a folder holds instead of weights we read.
std::string OtherFiles(const fs::path& folder) {
  constexpr std::size_t kMostNames = 8;
  std::vector<std::string> names = NamesIn(folder);
  const bool cut = names.size() > kMostNames;
  if (cut) names.resize(kMostNames);
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + Quoted(name);
  return text.empty() ? "nothing" : text + (cut ? ", …" : "");
}

// Slices come from the shard plan: one that does not fit its own shape is a mistake of ours.
void CheckSlice(const TensorSlice& slice, const TensorView& destination) {
  const int rank = slice.shape.rank();
  LOCKSTEP_CHECK(rank == 1 || rank == 2, "a slice of {}", slice.shape.ToString());
  const auto within = [](Range range, std::int64_t extent) {
    return range.begin >= 0 && range.begin <= range.end && range.end <= extent;
  };
  LOCKSTEP_CHECK(
      within(slice.rows, slice.shape[0]) && within(slice.columns, rank == 1 ? 1 : slice.shape[1]),
      "rows [{}, {}), columns [{}, {}) of {}", slice.rows.begin, slice.rows.end,
      slice.columns.begin, slice.columns.end, slice.shape.ToString());
  const Shape expected =
      rank == 1 ? Shape{slice.rows.size()} : Shape{slice.rows.size(), slice.columns.size()};
  LOCKSTEP_CHECK(destination.shape() == expected && destination.dtype() != DType::kI32,
                 "{} {} for a slice {}", Name(destination.dtype()), destination.shape().ToString(),
                 expected.ToString());
}

// The bytes from a tensor's first element to its last.
std::span<const std::byte> BytesOf(const Entry& entry) {
  const StoredTensor& tensor = entry.stored;
  std::int64_t last = 0;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 0) return {};
    last += (tensor.shape[i] - 1) * tensor.strides[i];
  }
  const std::size_t bytes = (static_cast<std::size_t>(last) + 1) * SizeOf(entry.info->dtype);
  return entry.file->bytes().subspan(tensor.offset, bytes);
}

// A few pieces of them, spread evenly from the beginning to the end.
std::vector<std::span<const std::byte>> SampleOf(std::span<const std::byte> bytes) {
  constexpr std::size_t kPieceBytes = 4096;
  constexpr std::size_t kPieces = 8;
  if (bytes.size() <= kPieces * kPieceBytes) return {bytes};
  std::vector<std::span<const std::byte>> pieces;
  for (std::size_t i = 0; i < kPieces; ++i)
    pieces.push_back(bytes.subspan((bytes.size() - kPieceBytes) / (kPieces - 1) * i, kPieceBytes));
  pieces.back() = bytes.last(kPieceBytes);
  return pieces;
}

}  // namespace

struct Checkpoint::State {
  std::string where;  // the file or index that was opened
  std::vector<TensorFile> files;
  std::map<std::string, Entry, std::less<>> entries;
  std::vector<std::string> names;
  std::atomic<std::uint64_t> bytes_read{0};

  void OpenSingle(const fs::path& path, OpenFile open) {
    where = path.string();
    files.push_back(open(path));
    for (StoredTensor& tensor : files.back().tensors) Add(std::move(tensor), files.back());
  }

  // The index decides: tensors that a shard holds beside those are passed over.
  void OpenSharded(const fs::path& path, OpenFile open) {
    where = path.string();
    const CheckpointIndex index = ParseCheckpointIndex(ReadFile(path), where);
    RequireShards(index, path);
    for (const std::string& shard : index.shards) {
      files.push_back(open(path.parent_path() / shard));
      for (StoredTensor& tensor : files.back().tensors) {
        const auto placed = index.shard_of.find(tensor.name);
        if (placed != index.shard_of.end() && placed->second == shard)
          Add(std::move(tensor), files.back());
      }
    }
    for (const auto& [name, shard] : index.shard_of)
      if (!entries.contains(name))
        throw BadInput(
            "{}: places tensor {} in {}, which does not hold it; the files do not belong "
            "together; download the model again",
            where, Quoted(name), Quoted(shard));
  }

  void ListNames() {
    for (const auto& [name, entry] : entries) names.push_back(name);
  }

  void Add(StoredTensor tensor, const TensorFile& file) {
    std::optional<TensorInfo> info;
    if (tensor.dtype && tensor.shape.size() <= Shape::kMaxRank)
      info = TensorInfo{tensor.name, *tensor.dtype, Shape(tensor.shape)};
    std::string name = tensor.name;
    entries.emplace(std::move(name), Entry{std::move(tensor), file.file.get(), std::move(info)});
  }

  const Entry& Require(const TensorSlice& slice) const {
    const auto found = entries.find(slice.name);
    if (found == entries.end())
      throw BadInput(
          "{}: the tensor {} {} is missing among {} tensors (the first is {}); the weights do not "
          "belong to this config.json: correct it or download the model again",
          where, Quoted(slice.name), slice.stored_shape().ToString(), entries.size(),
          names.empty() ? "none" : Quoted(names.front()));
    const Entry& entry = found->second;
    const std::string place =
        fmt::format("{}: tensor {}", entry.file->path().string(), Quoted(slice.name));
    if (!entry.stored.dtype)
      throw BadInput("{} is of type {}; expected fp64, fp32, fp16 or bf16; convert it", place,
                     entry.stored.type);
    if (!entry.info || entry.info->shape != slice.stored_shape())
      throw BadInput(
          "{} has the shape {}; expected {}; the weights do not belong to this "
          "config.json: correct it or download the model again",
          place, ShapeText(entry.stored.shape), slice.stored_shape().ToString());
    return entry;
  }
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::Open(const fs::path& folder) {
  if (!IsFolder(folder))
    throw BadInput("{}: no such folder; expected the folder of a model", folder.string());
  auto state = std::make_unique<State>();
  // A symbolic link counts even when it leads nowhere: opening it then tells which file is missing,
  // where passing it over would load something else or report that there are no weights.
  for (const Format& format : kFormats) {
    if (FileExists(folder / format.file)) {
      state->OpenSingle(folder / format.file, format.open);
      state->ListNames();
      return Checkpoint(std::move(state));
    }
    if (FileExists(folder / format.index)) {
      state->OpenSharded(folder / format.index, format.open);
      state->ListNames();
      return Checkpoint(std::move(state));
    }
  }
  throw BadInput(
      "{}: holds {}, but no weights; expected {}, {}, {} or {}; download the model again, "
      "or convert its weights to safetensors",
      folder.string(), OtherFiles(folder), kFormats[0].file, kFormats[0].index, kFormats[1].file,
      kFormats[1].index);
}

const TensorInfo* Checkpoint::Find(std::string_view name) const {
  const auto found = state_->entries.find(name);
  return found == state_->entries.end() || !found->second.info ? nullptr : &*found->second.info;
}

std::vector<TensorInfo> Checkpoint::tensors() const {
  std::vector<TensorInfo> infos;
  for (const auto& [name, entry] : state_->entries)
    if (entry.info) infos.push_back(*entry.info);
  return infos;
}

const std::vector<std::string>& Checkpoint::names() const { return state_->names; }

const std::string& Checkpoint::where() const { return state_->where; }
std::vector<TensorSample> Checkpoint::Samples() const {
  const auto each_piece = [this](const auto& work) {
    for (const auto& [name, entry] : state_->entries) {
      if (!entry.info) continue;
      for (const auto piece : SampleOf(BytesOf(entry))) work(entry, piece);
    }
  };
  // The disk reads all of them at the same time.
  each_piece([](const Entry& entry, std::span<const std::byte> piece) {
    if (piece.empty()) return;
    const auto offset = static_cast<std::size_t>(piece.data() - entry.file->bytes().data());
    entry.file->Prefetch(offset, piece.size());
  });
  std::vector<TensorSample> samples;
  each_piece([&](const Entry& entry, std::span<const std::byte> piece) {
    Heartbeat();
    if (samples.empty() || samples.back().info.name != entry.info->name)
      samples.push_back({*entry.info, 0});
    samples.back().hash = HashBytes(piece, samples.back().hash);
  });
  return samples;
}

void Checkpoint::Read(const TensorSlice& slice, const TensorView& destination) const {
  const Entry& entry = state_->Require(slice);
  CheckSlice(slice, destination);
  // A vector is copied as a matrix of one row.
  const bool vector = slice.shape.rank() == 1;
  const auto& strides = entry.stored.strides;
  const bool transposed = slice.order == MatrixOrder::kTransposed;
  const StoredMatrix matrix{.file = entry.file,
                            .dtype = entry.info->dtype,
                            .offset = entry.stored.offset,
                            .row_stride = transposed ? strides.back() : strides.front(),
                            .column_stride = transposed ? strides.front() : strides.back()};
  CopyRectangle(matrix, vector ? Range{0, 1} : slice.rows, vector ? slice.rows : slice.columns,
                destination);
  state_->bytes_read += static_cast<std::uint64_t>(slice.elements()) * SizeOf(matrix.dtype);
}

std::uint64_t Checkpoint::bytes_read() const { return state_->bytes_read; }

}  // namespace lockstep
