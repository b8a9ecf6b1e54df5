#include "tests/support/seeded_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "core/numbers/dtype.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

Json ReadJson(const fs::path& path) { return ParseJson(ReadFile(path), path.string()); }

// A written safetensors file, read independently of the project's own reader.
class WrittenFile {
 public:
  explicit WrittenFile(const fs::path& path) : bytes_(ReadFile(path)) {
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes_.data(), sizeof header_bytes);
    header_ = Json::parse(bytes_.substr(8, header_bytes));
    data_ = 8 + header_bytes;
  }

  // The bit pattern of one element, whatever its dtype.
  std::uint32_t Bits(const std::string& name, std::size_t index) const {
    const Json& tensor = header_.at(name);
    const std::size_t width = tensor.at("dtype") == "F32" ? 4 : 2;
    const std::size_t at = data_ + tensor.at("data_offsets")[0].get<std::size_t>() + width * index;
    std::uint32_t bits = 0;
    std::memcpy(&bits, bytes_.data() + at, width);
    return bits;
  }

  float Value(const std::string& name, std::size_t index) const {
    const std::uint32_t bits = Bits(name, index);
    const std::string dtype = header_.at(name).at("dtype");
    if (dtype == "F32") return std::bit_cast<float>(bits);
    if (dtype == "BF16") return std::bit_cast<float>(bits << 16);
    Float16 half;
    half.bits = static_cast<std::uint16_t>(bits);
    return static_cast<float>(half);
  }

  std::uint64_t BitSum(const std::string& name) const {
    std::size_t count = 1;
    for (const Json& extent : header_.at(name).at("shape")) count *= extent.get<std::size_t>();
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += Bits(name, i);
    return sum;
  }

  const Json& header() const { return header_; }
  std::size_t data_bytes() const { return bytes_.size() - data_; }

 private:
  std::string bytes_;
  Json header_;
  std::size_t data_ = 0;
};

bool IsSeeded(const fs::path& case_dir) {
  return ReadJson(case_dir / "golden.json").at("weights") == "seeded";
}

class SeededCase : public testing::TestWithParam<fs::path> {};

TEST_P(SeededCase, HoldsTheBitsThatPythonWrote) {
  const Json golden = ReadJson(GetParam() / "golden.json");
  const TemporaryFolder scratch;
  WriteSeededCheckpoint(GetParam(), scratch.path());
  std::map<std::string, WrittenFile> files;
  std::map<std::string, std::string> file_of;
  for (const Json& t : golden.at("tensors")) {
    const std::string name = t.at("name");
    file_of[name] = t.at("file");
    const WrittenFile& file =
        files.try_emplace(file_of[name], scratch / file_of[name]).first->second;
    EXPECT_EQ(file.BitSum(name), t.at("bit_sum").get<std::uint64_t>()) << name;
  }
  ASSERT_FALSE(golden.at("check").empty());
  for (const Json& check : golden.at("check")) {
    const std::string name = check.at("name");
    EXPECT_EQ(files.at(file_of.at(name)).Value(name, check.at("index")),
              check.at("value").get<float>())
        << name << " element " << check.at("index");
  }
}

std::vector<fs::path> SeededCases() {
  std::vector<fs::path> cases = GoldenCases();
  std::erase_if(cases, [](const fs::path& path) { return !IsSeeded(path); });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Golden, SeededCase, testing::ValuesIn(SeededCases()),
                         [](const auto& test) { return test.param.filename().string(); });

TEST(SeededWeights, FileEndsWhereItsLastTensorEnds) {
  const fs::path case_dir = SourceFolder() / "tests/golden/cases/neox_d_head_256";
  const TemporaryFolder scratch;
  WriteSeededCheckpoint(case_dir, scratch.path());
  const WrittenFile file(scratch / "model.safetensors");
  std::size_t end = 0;
  for (const auto& [name, tensor] : file.header().items()) {
    if (name == "__metadata__") continue;
    end = std::max(end, tensor.at("data_offsets")[1].get<std::size_t>());
  }
  EXPECT_EQ(file.data_bytes(), end);
  EXPECT_EQ(file.header().size(), ReadJson(case_dir / "golden.json").at("tensors").size() + 1);
}

TEST(SeededWeights, ShardedCaseHasAnIndexNamingEveryTensorAndFile) {
  const fs::path case_dir = SourceFolder() / "tests/golden/cases/neox_12_heads_pythia_config";
  const TemporaryFolder scratch;
  WriteSeededCheckpoint(case_dir, scratch / "made");
  const Json weight_map = ReadJson(scratch / "made/model.safetensors.index.json").at("weight_map");
  EXPECT_EQ(weight_map.size(), ReadJson(case_dir / "golden.json").at("tensors").size());
  std::set<std::string> files;
  for (const auto& [name, file] : weight_map.items()) files.insert(file.get<std::string>());
  EXPECT_EQ(files.size(), 4u);
  for (const std::string& file : files) EXPECT_TRUE(fs::exists(scratch / ("made/" + file)));
}

TEST(SeededWeights, CopiesTheConfigUnchanged) {
  const fs::path case_dir = SourceFolder() / "tests/golden/cases/gptj_16_heads";
  const TemporaryFolder scratch;
  const fs::path made = GoldenCheckpoint(case_dir, scratch.path());
  EXPECT_EQ(made, scratch.path());
  EXPECT_EQ(ReadFile(made / "config.json"), ReadFile(case_dir / "config.json"));
}

TEST(SeededWeights, CommittedCheckpointIsUsedWhereItLies) {
  const fs::path case_dir = SourceFolder() / "tests/golden/cases/gptj_saved_single";
  const TemporaryFolder scratch;
  EXPECT_EQ(GoldenCheckpoint(case_dir, scratch / "unused"), case_dir);
  EXPECT_FALSE(fs::exists(scratch / "unused"));
}

TEST(SeededWeights, RefusesToGenerateWhatIsCommitted) {
  const fs::path case_dir = SourceFolder() / "tests/golden/cases/gptj_saved_single";
  const TemporaryFolder scratch;
  EXPECT_THROW(WriteSeededCheckpoint(case_dir, scratch.path()), Error);
}

TEST(SeededWeights, EachNameAndSeedHasItsOwnValues) {
  const SeededTensor one{"a.weight", 1, 1.0, 0.0};
  EXPECT_EQ(SeededValues(one, 8), SeededValues(one, 8));
  EXPECT_NE(SeededValues(one, 8), SeededValues({"b.weight", 1, 1.0, 0.0}, 8));
  EXPECT_NE(SeededValues(one, 8), SeededValues({"a.weight", 2, 1.0, 0.0}, 8));
}

TEST(SeededWeights, LieEvenlyAroundTheOffset) {
  double sum = 0;
  const std::vector<float> values = SeededValues({"a.weight", 1, 0.5, 1.0}, 10000);
  for (const float value : values) {
    ASSERT_GE(value, 0.5f);
    ASSERT_LT(value, 1.5f);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 1.0, 0.02);
}

}  // namespace
}  // namespace lockstep
