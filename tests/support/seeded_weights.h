#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace lockstep {

// Checkpoints of the golden cases under tests/golden/cases (formats: tests/golden/README.md).
// Most cases commit no weights: golden.json lists every tensor with a scale and an offset, and the
// values follow from the case's seed and the tensor's name, here and in
// tests/golden/seeded_weights.py to the same bits. Element i (row-major) is
//
//   state = fnv1a64(name) ^ (seed * 0x9E3779B97F4A7C15)
//   bits  = mix(state + (i + 1) * 0x9E3779B97F4A7C15) >> 40      splitmix64's finalizer; 24 bits
//   value = float(offset + (bits - 2^23) / 2^23 * scale)         computed in double
//
// rounded once more, to nearest even, when the file's dtype is fp16 or bf16.
struct SeededTensor {
  std::string_view name;
  std::uint64_t seed = 0;
  double scale = 0;   // exactly a float
  double offset = 0;  // exactly a float
};

// The first `count` elements of the tensor, before they are rounded to a file's dtype.
std::vector<float> SeededValues(const SeededTensor& tensor, std::size_t count);

// Makes out_dir (and its parents) a Hugging Face folder: config.json copied from case_dir, and
// model.safetensors, or shards with their index, with the generated weights as golden.json says.
// Throws BadInput for a case whose weights are committed as files, or a faulty golden.json.
void WriteSeededCheckpoint(const std::filesystem::path& case_dir,
                           const std::filesystem::path& out_dir);

// A folder to load the case's model from: case_dir itself when its weights are committed as files,
// else out_dir after WriteSeededCheckpoint().
std::filesystem::path GoldenCheckpoint(const std::filesystem::path& case_dir,
                                       const std::filesystem::path& out_dir);

// The folders of all golden cases, sorted by name. Never empty: throws when none is found.
std::vector<std::filesystem::path> GoldenCases();

}  // namespace lockstep
