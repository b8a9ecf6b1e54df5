// What weights in fewer bits cost on a GPU: the perplexity of text that the bundled models have not
// learnt from, as tests/commands/quality_test.cpp has it of processors. Less text, for the
// emulation's sake.
#include <gtest/gtest.h>

#include <cmath>

#include "core/files/file.h"
#include "perplexity.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

constexpr std::size_t kPieces = 2;

class FewerBitsOnCuda : public testing::TestWithParam<const char*> {};

TEST_P(FewerBitsOnCuda, KeepThePerplexity) {
  const std::string text = ReadFile(LargeDataFolder() / "text" / "tinyshakespeare.txt");
  const std::string lines = LinesOfPieces(text, text.size() - kPieces * kPieceBytes);
  const auto perplexity = [&](const char* device, const char* dtype) {
    return Perplexity(GetParam(), lines, {"--device", device, "--dtype", dtype}, 150);
  };
  const double exact = perplexity("cpu", "fp32");
  EXPECT_LT(exact, 60.0);  // it has learnt something
  const auto loss = [&](const char* dtype) {
    return std::abs(perplexity("cuda", dtype) / exact - 1.0);
  };
  EXPECT_LE(loss("int8"), 0.005);
  EXPECT_LE(loss("int4"), 0.04);
  EXPECT_LE(loss("fp8"), 0.02);
}

INSTANTIATE_TEST_SUITE_P(BundledModels, FewerBitsOnCuda,
                         testing::Values("shakespeare-gptj", "shakespeare-neox"),
                         [](const auto& one) { return std::string(one.param).substr(12); });

}  // namespace
}  // namespace lockstep
