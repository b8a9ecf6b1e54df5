#include "tests/support/seeded_weights.h"

#include <algorithm>
#include <bit>
#include <fstream>
#include <map>
#include <string>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "core/numbers/dtype.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15u;

std::uint64_t Fnv1a64(std::string_view text) {
  std::uint64_t state = 0xCBF29CE484222325u;
  for (const char c : text) {
    state = (state ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  return state;
}

std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

struct StoredTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  double scale = 0;
  double offset = 0;

  std::size_t count() const {
    std::size_t product = 1;
    for (const std::int64_t extent : shape) product *= static_cast<std::size_t>(extent);
    return product;
  }
};

DType DTypeNamed(std::string_view name) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    if (name == Name(dtype)) return dtype;
  throw BadInput("seeded weights: no checkpoint has weights of dtype {}", name);
}

std::string_view SafetensorsName(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "F32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kI32:
    case DType::kI8:
    case DType::kF8:
    case DType::kF64: break;
  }
  throw BadInput("seeded weights: no checkpoint has weights of dtype {}", Name(dtype));
}

// Header first, then the tensors in the order of the list, without holes.
void WriteSafetensors(const fs::path& path, const std::vector<StoredTensor>& tensors, DType dtype,
                      std::uint64_t seed) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::size_t end = 0;
  for (const StoredTensor& t : tensors) {
    const std::size_t begin = end;
    end += t.count() * SizeOf(dtype);
    header[t.name] = {
        {"dtype", SafetensorsName(dtype)}, {"shape", t.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();

  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  std::string stored;
  for (const StoredTensor& t : tensors) {
    const std::vector<float> values = SeededValues({t.name, seed, t.scale, t.offset}, t.count());
    stored.resize(values.size() * SizeOf(dtype));
    ConvertElements(DType::kF32, values.data(), dtype, stored.data(), values.size());
    file.write(stored.data(), static_cast<std::streamsize>(stored.size()));
  }
  if (!file.flush()) throw EnvironmentError("{}: cannot write; is the disk full?", path.string());
}

void WriteIndex(const fs::path& path, const std::map<std::string, std::vector<StoredTensor>>& files,
                DType dtype) {
  std::size_t total = 0;
  Json weight_map = Json::object();
  for (const auto& [file, tensors] : files) {
    for (const StoredTensor& t : tensors) {
      weight_map[t.name] = file;
      total += t.count() * SizeOf(dtype);
    }
  }
  WriteText(path, Json{{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}}.dump(2));
}

Json ReadGolden(const fs::path& case_dir) {
  const fs::path path = case_dir / "golden.json";
  return ParseJson(ReadFile(path), path.string());
}

}  // namespace

std::vector<float> SeededValues(const SeededTensor& tensor, std::size_t count) {
  const std::uint64_t state = Fnv1a64(tensor.name) ^ (tensor.seed * kGoldenRatio);
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = Mix(state + (i + 1) * kGoldenRatio) >> 40;
    const double unit = (static_cast<double>(bits) - 0x1p23) * 0x1p-23;
    out[i] = static_cast<float>(tensor.offset + unit * tensor.scale);
  }
  return out;
}

void WriteSeededCheckpoint(const fs::path& case_dir, const fs::path& out_dir) {
  const Json golden = ReadGolden(case_dir);
  if (golden.at("weights") != "seeded") {
    throw BadInput("{}: its weights are committed as files, there is nothing to generate; load {}",
                   case_dir.filename().string(), case_dir.string());
  }
  const DType dtype = DTypeNamed(golden.at("dtype").get<std::string>());
  std::map<std::string, std::vector<StoredTensor>> files;
  for (const Json& t : golden.at("tensors")) {
    files[t.at("file").get<std::string>()].push_back(
        {t.at("name").get<std::string>(), t.at("shape").get<std::vector<std::int64_t>>(),
         t.at("scale").get<double>(), t.at("offset").get<double>()});
  }
  fs::create_directories(out_dir);
  fs::copy_file(case_dir / "config.json", out_dir / "config.json",
                fs::copy_options::overwrite_existing);
  for (const auto& [file, tensors] : files) {
    WriteSafetensors(out_dir / file, tensors, dtype, golden.at("seed").get<std::uint64_t>());
  }
  if (files.size() > 1) WriteIndex(out_dir / "model.safetensors.index.json", files, dtype);
}

fs::path GoldenCheckpoint(const fs::path& case_dir, const fs::path& out_dir) {
  if (ReadGolden(case_dir).at("weights") == "files") return case_dir;
  WriteSeededCheckpoint(case_dir, out_dir);
  return out_dir;
}

std::vector<fs::path> GoldenCases() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(SourceFolder() / "tests/golden/cases")) {
    if (fs::exists(entry.path() / "golden.json")) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  if (out.empty()) throw EnvironmentError("tests/golden/cases: no golden case found");
  return out;
}

}  // namespace lockstep
