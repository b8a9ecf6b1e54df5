#include "partition/checkpoint/formats/torch_bin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "partition/checkpoint/checkpoint.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"
#include "tests/support/torch_bin_writer.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Files that torch.save wrote: see tests/golden/make_torch_bin.py.
std::filesystem::path Golden(const std::string& name) {
  return SourceFolder() / "tests/golden/torch_bin" / name;
}

// A tensor's values in fp32, the whole of it.
std::vector<float> Values(const Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo* info = checkpoint.Find(name);
  if (info == nullptr) throw std::runtime_error("no tensor " + name);
  TensorSlice slice{name, info->shape, {0, info->shape[0]}};
  if (info->shape.rank() == 2) slice.columns = {0, info->shape[1]};
  std::vector<float> values(static_cast<std::size_t>(slice.elements()));
  checkpoint.Read(slice, TensorView(values.data(), DType::kF32, info->shape));
  return values;
}

// 0, 1/8, 2/8, …
std::vector<float> Counting(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i) / 8);
  return values;
}

std::string MessageFor(const std::vector<ZipFile>& files) {
  return MessageOf([&] {
    const std::string archive = ZipBytes(files);
    ParseTorchBin(std::as_bytes(std::span(archive)), "pytorch_model.bin");
  });
}

std::string MessageFor(const PickleWriter::TensorText& tensor, std::size_t storage_bytes) {
  return MessageFor(TorchFiles(OneTensorPickle(tensor), {std::string(storage_bytes, 'x')}));
}

TEST(TorchBin, ReadsEveryFloatingPointType) {
  const auto checkpoint = Checkpoint::Open(Golden("dtypes"));
  EXPECT_EQ(checkpoint.Find("fp32")->dtype, DType::kF32);
  EXPECT_EQ(checkpoint.Find("fp16")->dtype, DType::kF16);
  EXPECT_EQ(checkpoint.Find("bf16")->dtype, DType::kBF16);
  for (const char* name : {"fp32", "fp16", "bf16"})
    EXPECT_EQ(Values(checkpoint, name), Counting(30)) << name;
  EXPECT_EQ(Values(checkpoint, "vector"), Counting(7));
  EXPECT_EQ(checkpoint.Find("scalar")->shape.rank(), 0);
  EXPECT_TRUE(Values(checkpoint, "empty").empty());
}

TEST(TorchBin, ReadsDoublesAsFloats) {
  const std::vector<double> values = {1.0, -0.1, 1e-300, 3.0000000001};
  const std::string storage(reinterpret_cast<const char*>(values.data()), 32);
  const TemporaryFolder folder;
  WriteText(folder / "pytorch_model.bin",
            ZipBytes(TorchFiles(OneTensorPickle({.storage_type = "DoubleStorage"}), {storage})));
  const auto checkpoint = Checkpoint::Open(folder.path());
  const Tensor read = Tensor::OnHost(DType::kF32, {2, 2});
  checkpoint.Read({"weight", {2, 2}, {0, 2}, {0, 2}}, read.view());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(read.view().data<float>()[i], static_cast<float>(values[i]));
}

TEST(TorchBin, SaysThatQuantisedWeightsAreQuantised) {
  EXPECT_THAT(MessageFor({.storage_type = "QInt8Storage"}, 4),
              AllOf(HasSubstr("QInt8Storage"), HasSubstr("quantised"), HasSubstr("--dtype")));
  for (const auto& [module, name] :
       {std::pair{"bitsandbytes.nn.modules", "Params4bit"},
        std::pair{"torch._utils", "_rebuild_qtensor"},
        std::pair{"torchao.dtypes.affine_quantized_tensor", "AffineQuantizedTensor"},
        std::pair{"torch._utils", "_rebuild_wrapper_subclass"}}) {
    const std::string pickle =
        PickleWriter().Proto().OrderedDict().String("weight").Global(module, name).Finish();
    EXPECT_THAT(MessageFor(TorchFiles(pickle, {})),
                AllOf(HasSubstr(name), HasSubstr("the weights are quantised")));
  }
}

TEST(TorchBin, KnowsBuffersThatAreNeverRead) {
  const auto checkpoint = Checkpoint::Open(Golden("dtypes"));
  for (const char* name : {"mask", "ids"}) EXPECT_EQ(checkpoint.Find(name), nullptr);
  float value = 0;
  EXPECT_THAT(MessageOf([&] {
                checkpoint.Read({"ids", Shape{3}, {0, 1}}, TensorView(&value, DType::kF32, {1}));
              }),
              AllOf(HasSubstr("tensor \"ids\" is of type LongStorage"), HasSubstr("fp32")));
}

TEST(TorchBin, HonoursStridesOffsetsAndSharedStorages) {
  const auto checkpoint = Checkpoint::Open(Golden("views"));
  const auto whole = Values(checkpoint, "whole");
  EXPECT_EQ(whole, Counting(48));
  const auto at = [&](int row, int column) {
    return whole[static_cast<std::size_t>(row * 8 + column)];
  };
  std::vector<float> transposed;
  for (int column = 0; column < 8; ++column)
    for (int row = 0; row < 6; ++row) transposed.push_back(at(row, column));
  EXPECT_EQ(Values(checkpoint, "transposed"), transposed);
  EXPECT_EQ(Values(checkpoint, "rows"),
            std::vector<float>(whole.begin() + 2 * 8, whole.begin() + 5 * 8));
  std::vector<float> columns;
  for (int row = 0; row < 6; ++row)
    for (int column = 1; column < 8; column += 3) columns.push_back(at(row, column));
  EXPECT_EQ(Values(checkpoint, "columns"), columns);
  EXPECT_THAT(Values(checkpoint, "element_5"), ElementsAre(at(0, 5)));
  EXPECT_THAT(Values(checkpoint, "expanded"),
              ElementsAre(1, 1.125, 1.25, 1.375, 1, 1.125, 1.25, 1.375, 1, 1.125, 1.25, 1.375));
}

TEST(TorchBin, ReadsSlicesOfTransposedViews) {
  const auto checkpoint = Checkpoint::Open(Golden("views"));
  std::vector<float> values(4);
  checkpoint.Read({"transposed", Shape{8, 6}, {3, 5}, {4, 6}},
                  TensorView(values.data(), DType::kF32, {2, 2}));
  EXPECT_THAT(values, ElementsAre(35 / 8.0f, 43 / 8.0f, 36 / 8.0f, 44 / 8.0f));
}

// Rows lie side by side in the file and are copied into columns, 4 MiB of the file at a time.
TEST(TorchBin, ReadsTransposedMatricesOfSeveralTiles) {
  constexpr std::int64_t kRows = 2500;
  constexpr std::int64_t kColumns = 2000;
  std::string storage(kRows * kColumns * sizeof(float), '\0');
  for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
    const auto value = static_cast<float>(i);
    std::memcpy(storage.data() + static_cast<std::size_t>(i) * sizeof value, &value, sizeof value);
  }
  const TemporaryFolder folder;
  WriteText(folder / "pytorch_model.bin",
            ZipBytes(TorchFiles(OneTensorPickle({.storage_elements = kRows * kColumns,
                                                 .shape = {kRows, kColumns},
                                                 .strides = {1, kRows}}),
                                {storage})));
  const auto checkpoint = Checkpoint::Open(folder.path());
  const Range rows{1, kRows};
  const Range columns{3, kColumns - 1};
  std::vector<float> values(static_cast<std::size_t>(rows.size() * columns.size()));
  checkpoint.Read({"weight", {kRows, kColumns}, rows, columns},
                  TensorView(values.data(), DType::kF32, {rows.size(), columns.size()}));
  std::size_t i = 0;
  for (std::int64_t row = rows.begin; row < rows.end; ++row)
    for (std::int64_t column = columns.begin; column < columns.end; ++column, ++i)
      ASSERT_EQ(values[i], static_cast<float>(column * kRows + row)) << row << ", " << column;
}

TEST(TorchBin, ReadsParametersAndPassesOverWhatIsNoTensor) {
  const auto checkpoint = Checkpoint::Open(Golden("parameters"));
  EXPECT_EQ(Values(checkpoint, "weight"), Counting(12));
  EXPECT_EQ(Values(checkpoint, "bias"), Counting(3));
  EXPECT_EQ(checkpoint.tensors().size(), 2u);
}

TEST(TorchBin, ReadsShardsByTheirIndex) {
  const auto checkpoint = Checkpoint::Open(Golden("sharded"));
  EXPECT_EQ(Values(checkpoint, "first"), Counting(6));
  EXPECT_EQ(Values(checkpoint, "second"), Counting(6));
}

TEST(TorchBin, RefusesAForbiddenGlobal) {
  EXPECT_THAT(MessageOf([] { Checkpoint::Open(Golden("forbidden")); }),
              AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("posix.system"),
                    HasSubstr("convert it to safetensors")));
}

TEST(TorchBin, RefusesFilesFromBeforePyTorch16WithTheRemedy) {
  EXPECT_THAT(MessageOf([] { Checkpoint::Open(Golden("legacy")); }),
              AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("before 1.6"),
                    HasSubstr("save it again with torch >= 1.6"), HasSubstr("safetensors")));
}

TEST(TorchBin, RefusesAnotherPickleProtocol) {
  EXPECT_THAT(MessageOf([] { Checkpoint::Open(Golden("protocol_4")); }),
              HasSubstr("has protocol 4; expected 2"));
}

TEST(TorchBin, RefusesBytesThatAreNoArchive) {
  const std::string noise(1000, 'x');
  EXPECT_THAT(MessageOf([&] { ParseTorchBin(std::as_bytes(std::span(noise)), "model.bin"); }),
              AllOf(HasSubstr("model.bin"), HasSubstr("no zip directory"), HasSubstr("download")));
}

TEST(TorchBin, TellsAGitLfsPointerFromADamagedFile) {
  const std::string text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  EXPECT_THAT(MessageOf([&] { ParseTorchBin(std::as_bytes(std::span(text)), "model.bin"); }),
              HasSubstr("git lfs pull"));
}

TEST(TorchBin, RefusesBigEndianFiles) {
  auto files = TorchFiles(OneTensorPickle({}), {std::string(16, 'x')});
  files[1].bytes = "big";
  EXPECT_THAT(MessageFor(files),
              AllOf(HasSubstr("byte order is \"big\""), HasSubstr("expected \"little\"")));
}

TEST(TorchBin, AcceptsFilesThatDoNotNameTheirByteOrder) {
  auto files = TorchFiles(OneTensorPickle({}), {std::string(16, 'x')});
  files.erase(files.begin() + 1);
  const std::string archive = ZipBytes(files, ZipStyle::kZip64);
  const auto tensors = ParseTorchBin(std::as_bytes(std::span(archive)), "model.bin");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(archive.substr(tensors[0].offset, 16), std::string(16, 'x'));
}

TEST(TorchBin, RefusesArchivesWithoutOnePickle) {
  EXPECT_THAT(MessageFor({{"word/document.xml", "text"}}), HasSubstr("without a data.pkl"));
  EXPECT_THAT(MessageFor({{"a/data.pkl", "."}, {"b/data.pkl", "."}}),
              AllOf(HasSubstr("data.pkl in both"), HasSubstr("\"a\"")));
}

TEST(TorchBin, RefusesTorchScript) {
  auto files = TorchFiles(OneTensorPickle({}), {std::string(16, 'x')});
  files.push_back({"model/constants.pkl", "x"});
  EXPECT_THAT(MessageFor(files), AllOf(HasSubstr("TorchScript"), HasSubstr("state_dict()")));
}

TEST(TorchBin, RefusesAStorageThatIsMissing) {
  EXPECT_THAT(MessageFor(PickleWriter::TensorText{.key = "7"}, 16),
              AllOf(HasSubstr("tensor \"weight\" lies in the storage \"7\""),
                    HasSubstr("does not hold"), HasSubstr("download it again")));
}

TEST(TorchBin, RefusesAStorageThatIsTooShort) {
  EXPECT_THAT(MessageFor(PickleWriter::TensorText{}, 15),
              AllOf(HasSubstr("storage \"0\" of 4 elements, but the archive holds 3"),
                    HasSubstr("truncated")));
}

TEST(TorchBin, RefusesAStorageTypeThatIsNotKnown) {
  EXPECT_THAT(MessageFor(PickleWriter::TensorText{.storage_type = "StrangeStorage"}, 16),
              AllOf(HasSubstr("lies in a \"StrangeStorage\""), HasSubstr("HalfStorage")));
}

TEST(TorchBin, RefusesWindowsPastTheirStorage) {
  const auto refused = HasSubstr("reaches past its storage of 4 elements");
  EXPECT_THAT(MessageFor({.offset = 1}, 16), refused);
  EXPECT_THAT(MessageFor({.strides = {3, 1}}, 16), refused);
  EXPECT_THAT(MessageFor({.shape = {3, 2}}, 16), refused);
  EXPECT_THAT(MessageFor({.offset = 5, .shape = {0}, .strides = {1}}, 16), refused);
  EXPECT_THAT(MessageFor({.shape = {2, 1LL << 62}, .strides = {4, 4}}, 16), refused);
  EXPECT_THAT(MessageFor({.shape = {1LL << 32, 1LL << 32}, .strides = {0, 0}}, 16), refused);
  EXPECT_THAT(MessageFor({.offset = INT64_MAX, .shape = {2}, .strides = {INT64_MAX}}, 16), refused);
}

}  // namespace
}  // namespace lockstep
