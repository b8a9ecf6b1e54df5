// What weights in fewer bits cost on a GPU: the perplexity of text that the bundled models have not
// learnt from, as tests/commands/quality_test.cpp has it of processors. Less text, for the
// emulation's sake.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// The last pieces of the text, one JSON object per line.
std::string LastLines(const std::filesystem::path& path) {
  constexpr std::size_t kPieces = 2, kPieceBytes = 300;
  const std::string text = ReadFile(path);
  std::string lines;
  for (std::size_t at = text.size() - kPieces * kPieceBytes; at < text.size(); at += kPieceBytes)
    lines += DumpJson({{"text", text.substr(at, kPieceBytes)}}) + "\n";
  return lines;
}

double PerplexityOn(const std::string& device, const std::string& dtype, const std::string& model,
                    const std::string& lines) {
  const Outcome run =
      RunLockstep({"score", "--model", (SourceFolder() / "models" / model).string(), "--dtype",
                   dtype, "--device", device, "--threads", "1", "--input", "-"},
                  lines);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  double nats = 0.0;
  std::int64_t tokens = 0;
  std::istringstream output(run.output);
  for (std::string line; std::getline(output, line);) {
    const Json scored = ParseJson(line, "score");
    for (const Json& logprob : scored.at("logprobs")) {
      if (logprob.is_null()) continue;
      nats -= logprob.get<double>();
      ++tokens;
    }
  }
  EXPECT_GT(tokens, 150);
  return std::exp(nats / static_cast<double>(tokens));
}

class FewerBitsOnCuda : public testing::TestWithParam<const char*> {};

TEST_P(FewerBitsOnCuda, KeepThePerplexity) {
  const std::string lines = LastLines(LargeDataFolder() / "text" / "tinyshakespeare.txt");
  const double exact = PerplexityOn("cpu", "fp32", GetParam(), lines);
  EXPECT_LT(exact, 60.0);  // it has learnt something
  const auto loss = [&](const char* dtype) {
    return std::abs(PerplexityOn("cuda", dtype, GetParam(), lines) / exact - 1.0);
  };
  EXPECT_LE(loss("int8"), 0.005);
  EXPECT_LE(loss("int4"), 0.04);
}

INSTANTIATE_TEST_SUITE_P(BundledModels, FewerBitsOnCuda,
                         testing::Values("shakespeare-gptj", "shakespeare-neox"),
                         [](const auto& one) { return std::string(one.param).substr(12); });

}  // namespace
}  // namespace lockstep
