#include "partition/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A slice of a pattern tensor (see checkpoint_writer.h), read into `to`, against the pattern.
void ExpectPattern(const Checkpoint& checkpoint, const TensorSlice& slice, DType to,
                   std::uint64_t seed) {
  const Shape shape = slice.shape.rank() == 1 ? Shape{slice.rows.size()}
                                              : Shape{slice.rows.size(), slice.columns.size()};
  const Tensor tensor = Tensor::OnHost(to, shape);
  checkpoint.Read(slice, tensor.view());
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  ConvertElements(to, tensor.view().raw(), DType::kF32, values.data(), values.size());
  const std::int64_t total_columns = slice.shape.rank() == 1 ? 1 : slice.shape[1];
  std::size_t i = 0;
  for (std::int64_t row = slice.rows.begin; row < slice.rows.end; ++row)
    for (std::int64_t column = slice.columns.begin; column < slice.columns.end; ++column, ++i)
      ASSERT_EQ(values[i],
                PatternValue(seed, static_cast<std::uint64_t>(row * total_columns + column)))
          << slice.name << " [" << row << ", " << column << "]";
}

std::string ReadError(const Checkpoint& checkpoint, const TensorSlice& slice,
                      ExitCode code = ExitCode::kBadInput) {
  std::vector<float> values(64);
  const Shape shape = slice.shape.rank() == 1 ? Shape{slice.rows.size()}
                                              : Shape{slice.rows.size(), slice.columns.size()};
  return MessageOf([&] { checkpoint.Read(slice, TensorView(values.data(), DType::kF32, shape)); },
                   code);
}

class CheckpointOfDType : public testing::TestWithParam<DType> {};

TEST_P(CheckpointOfDType, ReadsSlicesIntoEveryDType) {
  const TemporaryFolder folder;
  // The odd count before the matrices puts them at addresses that are not aligned.
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{BytesTensor("odd", "U8", {1}, "x"),
                               PatternTensor("matrix", GetParam(), {300, 70}, 1),
                               PatternTensor("vector", GetParam(), {50}, 2)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  for (const DType to : {DType::kF32, DType::kF16, DType::kBF16}) {
    ExpectPattern(checkpoint, {"matrix", {300, 70}, {0, 300}, {0, 70}}, to, 1);
    ExpectPattern(checkpoint, {"matrix", {300, 70}, {299, 300}, {0, 70}}, to, 1);
    ExpectPattern(checkpoint, {"matrix", {300, 70}, {0, 300}, {33, 70}}, to, 1);
    ExpectPattern(checkpoint, {"matrix", {300, 70}, {7, 11}, {69, 70}}, to, 1);
    ExpectPattern(checkpoint, {"matrix", {300, 70}, {5, 5}, {0, 70}}, to, 1);
    ExpectPattern(checkpoint, {"matrix", {300, 70}, {0, 300}, {70, 70}}, to, 1);
    ExpectPattern(checkpoint, {"vector", {50}, {0, 50}}, to, 2);
    ExpectPattern(checkpoint, {"vector", {50}, {49, 50}}, to, 2);
    ExpectPattern(checkpoint, {"vector", {50}, {50, 50}}, to, 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, CheckpointOfDType,
                         testing::Values(DType::kF64, DType::kF32, DType::kF16, DType::kBF16),
                         [](const auto& test) { return std::string(Name(test.param)); });

TEST(Checkpoint, ReadsMatricesOfSeveralTilesInBothDirections) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("tall", DType::kF16, {6000, 1000}, 1),
                               PatternTensor("wide", DType::kF32, {2, 3'000'001}, 2)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  ExpectPattern(checkpoint, {"tall", {6000, 1000}, {1, 5999}, {0, 1000}}, DType::kF32, 1);
  ExpectPattern(checkpoint, {"tall", {6000, 1000}, {0, 6000}, {501, 1000}}, DType::kBF16, 1);
  ExpectPattern(checkpoint, {"wide", {2, 3'000'001}, {0, 2}, {1, 3'000'001}}, DType::kF32, 2);
}

// The pattern counts elements of the file, row by row: element [row, column] of the transposed
// matrix is column * 70 + row of it.
TEST(Checkpoint, ReadsTransposedMatricesAsTheyAreMultiplied) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("matrix", DType::kF16, {300, 70}, 1)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  const TensorSlice slice{"matrix", {70, 300}, {5, 60}, {7, 290}, MatrixOrder::kTransposed};
  const Tensor tensor = Tensor::OnHost(DType::kF32, {55, 283});
  checkpoint.Read(slice, tensor.view());
  for (std::int64_t row = 5; row < 60; ++row)
    for (std::int64_t column = 7; column < 290; ++column)
      ASSERT_EQ(tensor.view().data<float>()[(row - 5) * 283 + column - 7],
                PatternValue(1, static_cast<std::uint64_t>(column * 70 + row)));
  EXPECT_THAT(ReadError(checkpoint, {"matrix", {300, 70}, {0, 1}, {0, 64}, slice.order}),
              HasSubstr("has the shape [300, 70]; expected [70, 300]"));
}

TEST(Checkpoint, TellsOfAFileThatIsTruncatedAfterItWasOpened) {
  for (const std::uintmax_t left :
       {std::uintmax_t{4096}, std::uintmax_t{0}, std::uintmax_t{139'999}}) {
    const TemporaryFolder folder;
    WriteSafetensors(folder / "model.safetensors",
                     std::vector{PatternTensor("matrix", DType::kF32, {500, 70}, 1)});
    const auto checkpoint = Checkpoint::Open(folder.path());
    std::filesystem::resize_file(folder / "model.safetensors", left);
    const Tensor tensor = Tensor::OnHost(DType::kF32, {500, 70});
    EXPECT_THAT(MessageOf(
                    [&] {
                      checkpoint.Read({"matrix", {500, 70}, {0, 500}, {0, 70}}, tensor.view());
                    },
                    ExitCode::kEnvironment),
                AllOf(HasSubstr("model.safetensors: was truncated while it was read"),
                      HasSubstr(fmt::format("has {} now", left))));
  }
}

TEST(Checkpoint, CountsTheBytesOfSlicesOnly) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("matrix", DType::kF16, {100, 70}, 1)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  EXPECT_EQ(checkpoint.bytes_read(), 0u);
  ExpectPattern(checkpoint, {"matrix", {100, 70}, {50, 100}, {0, 70}}, DType::kF32, 1);
  EXPECT_EQ(checkpoint.bytes_read(), 50u * 70 * 2);
  ExpectPattern(checkpoint, {"matrix", {100, 70}, {0, 100}, {0, 7}}, DType::kF32, 1);
  EXPECT_EQ(checkpoint.bytes_read(), 50u * 70 * 2 + 100 * 7 * 2);
}

TEST(Checkpoint, ReadsFromSeveralThreadsAtOnce) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("matrix", DType::kF16, {2000, 500}, 1)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < 8; ++i)
    threads.emplace_back([&checkpoint, i] {
      const Range part{i * 50, i * 50 + 60};
      ExpectPattern(checkpoint, {"matrix", {2000, 500}, {0, 2000}, part}, DType::kBF16, 1);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(checkpoint.bytes_read(), 8u * 2000 * 60 * 2);
}

TEST(Checkpoint, ListsWhatCanBeRead) {
  const TemporaryFolder folder;
  WriteSafetensors(
      folder / "model.safetensors",
      std::vector{PatternTensor("b", DType::kBF16, {2, 3}, 1),
                  PatternTensor("a", DType::kF32, {4}, 2), BytesTensor("mask", "BOOL", {2}, "xx"),
                  PatternTensor("deep", DType::kF32, {1, 1, 1, 1, 1}, 3)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  const auto tensors = checkpoint.tensors();
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[1].name, "b");
  EXPECT_EQ(checkpoint.Find("b")->dtype, DType::kBF16);
  EXPECT_EQ(checkpoint.Find("b")->shape, (Shape{2, 3}));
  EXPECT_EQ(checkpoint.Find("mask"), nullptr);
  EXPECT_EQ(checkpoint.Find("deep"), nullptr);
  EXPECT_EQ(checkpoint.Find("absent"), nullptr);
  EXPECT_THAT(ReadError(checkpoint, {"mask", {2}, {0, 2}}), HasSubstr("is of type BOOL"));
  EXPECT_THAT(ReadError(checkpoint, {"deep", {1}, {0, 1}}), HasSubstr("[1, 1, 1, 1, 1]"));
}

TEST(Checkpoint, RefusesAMissingTensorByName) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("a", DType::kF32, {4}, 1)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  EXPECT_THAT(
      ReadError(checkpoint, {"gpt_neox.final_layer_norm.bias", {4}, {0, 4}}),
      AllOf(HasSubstr("model.safetensors: the tensor \"gpt_neox.final_layer_norm.bias\" [4] "
                      "is missing among 1"),
            HasSubstr("config.json"), HasSubstr("download")));
}

TEST(Checkpoint, RefusesAWrongShape) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("a", DType::kF32, {4, 6}, 1)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  for (const Shape& shape : {Shape{6, 4}, Shape{24, 1}, Shape{4, 7}})
    EXPECT_THAT(ReadError(checkpoint, {"a", shape, {0, 1}}),
                AllOf(HasSubstr("tensor \"a\" has the shape [4, 6]; expected " + shape.ToString()),
                      HasSubstr("config.json")));
  EXPECT_THAT(ReadError(checkpoint, {"a", {24}, {0, 1}}), HasSubstr("expected [24]"));
}

TEST(Checkpoint, TreatsSlicesOutsideTheShapeAsOurMistake) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("a", DType::kF32, {4, 6}, 1)});
  const auto checkpoint = Checkpoint::Open(folder.path());
  for (const auto& [rows, columns] :
       {std::pair{Range{0, 5}, Range{0, 1}}, {{0, 1}, {0, 7}}, {{-1, 1}, {0, 1}}, {{2, 1}, {0, 1}}})
    EXPECT_THROW(checkpoint.Read({"a", {4, 6}, rows, columns}, TensorView()), Error);
  EXPECT_THAT(MessageOf(
                  [&] {
                    checkpoint.Read({"a", {4, 6}, {0, 4}, {0, 6}}, TensorView());
                  },
                  ExitCode::kInternal),
              HasSubstr("[4, 6]"));
}

TEST(Checkpoint, ReadsShardsByTheirIndex) {
  const TemporaryFolder folder;
  WriteShardedSafetensors(folder.path(),
                          std::vector{PatternTensor("a", DType::kF32, {4, 6}, 1),
                                      PatternTensor("b", DType::kF16, {3}, 2),
                                      PatternTensor("c", DType::kBF16, {5, 1}, 3)},
                          2);
  const auto checkpoint = Checkpoint::Open(folder.path());
  EXPECT_EQ(checkpoint.tensors().size(), 3u);
  ExpectPattern(checkpoint, {"a", {4, 6}, {1, 4}, {2, 6}}, DType::kF32, 1);
  ExpectPattern(checkpoint, {"b", {3}, {0, 3}}, DType::kF32, 2);
  ExpectPattern(checkpoint, {"c", {5, 1}, {0, 5}, {0, 1}}, DType::kF32, 3);
}

// Left over from another way of cutting the checkpoint, say.
TEST(Checkpoint, TakesATensorFromTheShardThatTheIndexNames) {
  for (const std::string owner : {"1.safetensors", "2.safetensors"}) {
    const TemporaryFolder folder;
    for (const std::string shard : {"1.safetensors", "2.safetensors"})
      WriteSafetensors(
          folder / shard,
          std::vector{PatternTensor("twice", DType::kF32, {40}, shard == owner ? 7 : 8),
                      PatternTensor("in " + shard, DType::kF32, {2}, 1)});
    WriteText(folder / "model.safetensors.index.json",
              fmt::format(R"({{"weight_map":{{"in 1.safetensors":"1.safetensors",
                          "in 2.safetensors":"2.safetensors","twice":"{}"}}}})",
                          owner));
    const auto checkpoint = Checkpoint::Open(folder.path());
    EXPECT_EQ(checkpoint.tensors().size(), 3u);
    ExpectPattern(checkpoint, {"twice", {40}, {0, 40}}, DType::kF32, 7);
  }
}

TEST(Checkpoint, NamesAMissingShardAndItsIndex) {
  const TemporaryFolder folder;
  const auto shards = WriteShardedSafetensors(
      folder.path(),
      std::vector{PatternTensor("a", DType::kF32, {4}, 1), PatternTensor("b", DType::kF32, {4}, 2)},
      2);
  std::filesystem::remove(folder / shards[1]);
  EXPECT_THAT(
      MessageOf([&] { Checkpoint::Open(folder.path()); }),
      AllOf(HasSubstr("model-00002-of-00002.safetensors: the shard is missing"),
            HasSubstr("model.safetensors.index.json"), HasSubstr("download the model again")));
}

TEST(Checkpoint, RefusesAnIndexThatDoesNotFitItsShards) {
  const TemporaryFolder folder;
  WriteSafetensors(folder / "one.safetensors",
                   std::vector{PatternTensor("a", DType::kF32, {4}, 1)});
  WriteText(folder / "model.safetensors.index.json",
            R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors"}})");
  EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder.path()); }),
              AllOf(HasSubstr("places tensor \"b\" in \"one.safetensors\", which does not hold it"),
                    HasSubstr("download the model again")));
}

TEST(Checkpoint, RefusesShardNamesThatLeaveTheFolder) {
  const TemporaryFolder folder;
  for (const char* shard : {"\"../model.safetensors\"", "\"/etc/passwd\"", "\"..\"", "\".\"",
                            "\"\"", "\"a/b\"", "\"a\\\\b\"", "\"a\\u0000\"", "7", "null"}) {
    WriteText(folder / "model.safetensors.index.json",
              std::string(R"({"weight_map":{"a":)") + shard + "}}");
    EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder.path()); }),
                AllOf(HasSubstr("tensor \"a\" is said to lie in"),
                      HasSubstr("expected the name of a file in the same folder")))
        << shard;
  }
}

TEST(Checkpoint, RefusesAnIndexWithoutAMap) {
  const TemporaryFolder folder;
  for (const char* text : {"{}", "[]", "7", R"({"weight_map":[]})", R"({"weight_map":{}})"}) {
    WriteText(folder / "pytorch_model.bin.index.json", text);
    EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder.path()); }), HasSubstr("no \"weight_map\""))
        << text;
  }
  WriteText(folder / "pytorch_model.bin.index.json", "{");
  EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder.path()); }), HasSubstr("not valid JSON"));
}

TEST(Checkpoint, PrefersSafetensorsAndTheSingleFile) {
  const TemporaryFolder folder;
  WriteText(folder / "pytorch_model.bin", "damaged");
  WriteText(folder / "pytorch_model.bin.index.json", "damaged");
  WriteShardedSafetensors(folder.path(), std::vector{PatternTensor("sharded", DType::kF32, {4}, 1)},
                          1);
  EXPECT_NE(Checkpoint::Open(folder.path()).Find("sharded"), nullptr);
  WriteSafetensors(folder / "model.safetensors",
                   std::vector{PatternTensor("single", DType::kF32, {4}, 1)});
  EXPECT_NE(Checkpoint::Open(folder.path()).Find("single"), nullptr);
}

TEST(Checkpoint, SaysWhatAFolderWithoutWeightsHolds) {
  const TemporaryFolder folder;
  WriteText(folder / "config.json", "{}");
  WriteText(folder / "flax_model.msgpack", "x");
  EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder.path()); }),
              AllOf(HasSubstr("\"config.json\", \"flax_model.msgpack\", but no weights"),
                    HasSubstr("model.safetensors"), HasSubstr("pytorch_model.bin.index.json"),
                    HasSubstr("convert its weights to safetensors")));
  EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder / "absent"); }), HasSubstr("no such folder"));
}

TEST(Checkpoint, FollowsTheLinksOfTheHubCache) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "blobs");
  std::filesystem::create_directories(folder / "snapshot");
  WriteSafetensors(folder / "blobs/0123", std::vector{PatternTensor("a", DType::kF32, {4}, 1)});
  std::filesystem::create_symlink("../blobs/0123", folder / "snapshot/model.safetensors");
  ExpectPattern(Checkpoint::Open(folder / "snapshot"), {"a", {4}, {0, 4}}, DType::kF32, 1);
  std::filesystem::remove(folder / "blobs/0123");
  EXPECT_THAT(MessageOf([&] { Checkpoint::Open(folder / "snapshot"); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("no such file")));
}

}  // namespace
}  // namespace lockstep
