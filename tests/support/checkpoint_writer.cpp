#include "tests/support/checkpoint_writer.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "core/json.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

std::uint64_t ElementBytes(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  return 1;
}

std::string SafetensorsName(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "F32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kI32: return "I32";
    case DType::kI8: return "I8";
    case DType::kF8: return "F8_E4M3";
    case DType::kF64: return "F64";
  }
  throw std::runtime_error("no such dtype");
}

std::string LengthPrefix(std::uint64_t length) {
  std::string prefix;
  for (int i = 0; i < 8; ++i) prefix += static_cast<char>(length >> (8 * i) & 0xff);
  return prefix;
}

std::string Header(std::span<const CheckpointTensor> tensors) {
  Json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::uint64_t offset = 0;
  for (const CheckpointTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void WriteData(std::ofstream& stream, const CheckpointTensor& tensor) {
  constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << 20;
  std::vector<std::byte> block;
  for (std::uint64_t offset = 0; offset < tensor.bytes(); offset += kBlockBytes) {
    block.resize(std::min(kBlockBytes, tensor.bytes() - offset));
    tensor.fill(offset, block);
    stream.write(reinterpret_cast<const char*>(block.data()),
                 static_cast<std::streamsize>(block.size()));
  }
}

}  // namespace

std::uint64_t CheckpointTensor::bytes() const {
  std::uint64_t bytes = ElementBytes(dtype);
  for (const std::int64_t extent : shape) bytes *= static_cast<std::uint64_t>(extent);
  return bytes;
}

float PatternValue(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t bits = (seed + 1) * 0x9e3779b97f4a7c15u + index * 0xbf58476d1ce4e5b9u;
  bits ^= bits >> 29;
  bits *= 0x94d049bb133111ebu;
  // Eight bits: as many as bf16's significand holds.
  return static_cast<float>(static_cast<int>(bits >> 56) - 128) / 128.0f;
}

CheckpointTensor PatternTensor(std::string name, DType dtype, std::vector<std::int64_t> shape,
                               std::uint64_t seed) {
  const auto fill = [dtype, seed](std::uint64_t offset, std::span<std::byte> block) {
    const std::uint64_t first = offset / SizeOf(dtype);
    std::vector<float> values(block.size() / SizeOf(dtype));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = PatternValue(seed, first + i);
    if (dtype != DType::kF64)
      return ConvertElements(DType::kF32, values.data(), dtype, block.data(), values.size());
    const std::vector<double> wide(values.begin(), values.end());
    std::memcpy(block.data(), wide.data(), block.size());
  };
  return {std::move(name), SafetensorsName(dtype), std::move(shape), fill};
}

CheckpointTensor BytesTensor(std::string name, std::string dtype, std::vector<std::int64_t> shape,
                             std::string bytes) {
  const auto fill = [bytes](std::uint64_t offset, std::span<std::byte> block) {
    std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()) + offset, block.size(),
                block.data());
  };
  CheckpointTensor tensor{std::move(name), std::move(dtype), std::move(shape), fill};
  if (tensor.bytes() != bytes.size()) throw std::runtime_error("wrong size for " + tensor.name);
  return tensor;
}

std::string SafetensorsBytes(const std::string& header, const std::string& data) {
  return LengthPrefix(header.size()) + header + data;
}

void WriteSafetensors(const std::filesystem::path& path,
                      std::span<const CheckpointTensor> tensors) {
  std::ofstream stream(path, std::ios::binary);
  stream << SafetensorsBytes(Header(tensors), "");
  for (const CheckpointTensor& tensor : tensors) WriteData(stream, tensor);
  if (!stream.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::vector<std::string> WriteShardedSafetensors(const std::filesystem::path& folder,
                                                 std::span<const CheckpointTensor> tensors,
                                                 int shards) {
  std::vector<std::string> names;
  Json index{{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
  for (int shard = 0; shard < shards; ++shard) {
    names.push_back(fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards));
    std::vector<CheckpointTensor> part;
    for (std::size_t i = static_cast<std::size_t>(shard); i < tensors.size();
         i += static_cast<std::size_t>(shards)) {
      part.push_back(tensors[i]);
      index["weight_map"][tensors[i].name] = names.back();
    }
    WriteSafetensors(folder / names.back(), part);
  }
  WriteText(folder / "model.safetensors.index.json", index.dump(2));
  return names;
}

}  // namespace lockstep
