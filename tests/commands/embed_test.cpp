// `lockstep embed`: hidden states against transformers, as JSON lines and as a NumPy array.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class Embed : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.path() / name; }

  static Json Golden(const std::string& model) {
    const auto path = SourceFolder() / "tests/golden/demo" / (model + "-embeddings.json");
    return ParseJson(ReadFile(path), path.string());
  }

  static std::string Lines(const Json& golden) {
    std::string lines;
    for (const Json& text : golden.at("texts"))
      lines += DumpJson({{"text", text.at("text")}}) + "\n";
    return lines;
  }

  static Outcome Run(const std::string& model, const std::vector<std::string>& more,
                     const std::string& lines) {
    std::vector<std::string> command = {
        "embed", "--model", SourceFolder() / "models" / model, "--threads", "1", "--input", "-"};
    command.insert(command.end(), more.begin(), more.end());
    return RunLockstep(command, lines);
  }

  static std::vector<std::vector<float>> Vectors(const Outcome& run) {
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    std::vector<std::vector<float>> vectors;
    std::istringstream stream(run.output);
    for (std::string line; std::getline(stream, line);) {
      const Json record = ParseJson(line, "output");
      EXPECT_EQ(record.at("id"), vectors.size());
      vectors.push_back(record.at("embedding").get<std::vector<float>>());
    }
    return vectors;
  }

  // Every text of the golden file with the layer and the pooling of its k-th vector.
  static void ExpectGolden(const std::string& model, std::size_t k,
                           const std::vector<std::string>& more) {
    const Json golden = Golden(model);
    const Json& one = golden.at("texts")[0].at("vectors")[k];
    std::vector<std::string> flags = {"--layer", std::to_string(one.at("layer").get<int>()),
                                      "--pooling", one.at("pooling")};
    flags.insert(flags.end(), more.begin(), more.end());
    const auto vectors = Vectors(Run(model, flags, Lines(golden)));
    ASSERT_EQ(vectors.size(), golden.at("texts").size());
    for (std::size_t text = 0; text < vectors.size(); ++text)
      ExpectNear(vectors[text],
                 golden.at("texts")[text].at("vectors")[k].at("vector").get<std::vector<float>>());
  }

  static void ExpectNear(const std::vector<float>& found, const std::vector<float>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    float largest = 0.0f, error = 0.0f;
    for (std::size_t i = 0; i < found.size(); ++i) {
      largest = std::max(largest, std::abs(expected[i]));
      error = std::max(error, std::abs(found[i] - expected[i]));
    }
    EXPECT_LE(error, 2e-5f * largest);
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(Embed, GivesWhatTransformersGivesForEveryLayerAndPooling) {
  for (const std::string model : {"shakespeare-gptj", "shakespeare-neox"})
    for (std::size_t k = 0; k < Golden(model).at("texts")[0].at("vectors").size(); ++k) {
      SCOPED_TRACE(fmt::format("{}, vector {}", model, k));
      ExpectGolden(model, k, {});
    }
}

TEST_F(Embed, GivesTheSameOnSeveralRanks) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  for (const std::string model : {"shakespeare-gptj", "shakespeare-neox"})
    for (const std::string ranks : {"2", "3"}) ExpectGolden(model, 4, {"--tp", ranks});
}

// Nor on the batch: texts of all lengths in steps of a few tokens.
TEST_F(Embed, DoesNotDependOnHowTheTextIsCut) {
  std::string lines;
  for (std::size_t i = 1; i < 60; ++i)
    lines +=
        fmt::format("{{\"text\": \"{}\"}}\n", std::string(i * 3, static_cast<char>('a' + i % 26)));
  const auto whole = Vectors(Run("shakespeare-neox", {}, lines));
  const auto cut = Vectors(
      Run("shakespeare-neox",
          {"--set", "engine.max_step_tokens=7", "--set", "engine.cache_tokens=256"}, lines));
  EXPECT_EQ(whole, cut);
}

TEST_F(Embed, WritesAnArrayForNumpy) {
  const std::string lines = Lines(Golden("shakespeare-neox"));
  const auto vectors = Vectors(Run("shakespeare-neox", {}, lines));
  const Outcome run = Run("shakespeare-neox", {"--output", Path("out.npy")}, lines);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const std::string file = ReadFile(Path("out.npy"));
  ASSERT_EQ(file.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t header =
      10 + static_cast<unsigned char>(file[8]) + 256u * static_cast<unsigned char>(file[9]);
  EXPECT_EQ(header % 64, 0u);
  EXPECT_THAT(file.substr(10, header - 10),
              HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 192), }"));
  EXPECT_EQ(file[header - 1], '\n');
  std::vector<float> all((file.size() - header) / sizeof(float));
  std::memcpy(all.data(), file.data() + header, all.size() * sizeof(float));
  std::vector<float> expected;
  for (const auto& one : vectors) expected.insert(expected.end(), one.begin(), one.end());
  EXPECT_EQ(all, expected);
}

TEST_F(Embed, RefusesWhatCannotBe) {
  const Outcome layer = Run("shakespeare-neox", {"--layer", "5"}, "{\"text\": \"a\"}\n");
  EXPECT_EQ(layer.exit_code, 2);
  EXPECT_THAT(layer.errors, HasSubstr("embed: layer is 5; the model's are 0 to 4"));
  const Outcome pooling = Run("shakespeare-neox", {"--pooling", "max"}, "{\"text\": \"a\"}\n");
  EXPECT_EQ(pooling.exit_code, 2);
  EXPECT_THAT(pooling.errors, HasSubstr("expected mean or last"));
  const Outcome bad = Run("shakespeare-neox", {}, "{\"text\": \"a\"}\n{\"tex\": \"b\"}\n");
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.errors, HasSubstr("standard input:2: unknown field \"tex\""));
  EXPECT_EQ(bad.output.substr(bad.output.find('\n') + 1, 17), "{\"id\":1,\"error\":\"");
  // An array has no room for it: that is said before anything is computed.
  const Outcome array = Run("shakespeare-neox", {"--output", Path("out.npy")},
                            "{\"text\": \"a\"}\n{\"tex\": \"b\"}\n");
  EXPECT_EQ(array.exit_code, 2);
  EXPECT_EQ(array.errors.find("standard input:2: unknown field \"tex\""),
            std::string("lockstep: error: ").size());
  EXPECT_FALSE(std::filesystem::exists(Path("out.npy.partial")));
}

// Under the output's name there is a whole array or none, whenever the job is killed; and what was
// done is not done again.
TEST_F(Embed, GoesOnWithAnArrayAfterKills) {
  std::string lines;
  for (int i = 0; i < 600; ++i) lines += fmt::format("{{\"text\": \"text {} of many\"}}\n", i);
  WriteText(Path("in.jsonl"), lines);
  const std::vector<std::string> command = {
      "embed",          "--model",  SourceFolder() / "models/shakespeare-neox",
      "--threads",      "1",        "--input",
      Path("in.jsonl"), "--output", Path("out.npy")};
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(RunLockstep(command).exit_code, 0);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const std::string expected = ReadFile(Path("out.npy"));
  int amidst = 0;
  for (int i = 8; i >= 1 && amidst == 0; --i) {
    std::filesystem::remove(Path("out.npy"));
    std::filesystem::remove(Path("out.npy.partial"));
    std::filesystem::remove(Path("out.npy.journal"));
    RunAndKill(command, static_cast<int>(took.count() * i / 9), Victim::kStarted);
    if (!std::filesystem::exists(Path("out.npy")) &&
        std::filesystem::exists(Path("out.npy.partial")) &&
        std::filesystem::file_size(Path("out.npy.partial")) > 0) {
      ++amidst;
      EXPECT_THAT(RunLockstep(command).errors, HasSubstr(" of 600 lines are done; going on"));
    }
    if (std::filesystem::exists(Path("out.npy"))) {
      EXPECT_EQ(ReadFile(Path("out.npy")), expected);
    }
  }
  EXPECT_GT(amidst, 0) << "or no kill fell into the work";
  for (const char* left : {"out.npy.partial", "out.npy.journal", "out.npy.writing"})
    EXPECT_FALSE(std::filesystem::exists(Path(left))) << left;
}

}  // namespace
}  // namespace lockstep
