// What fewer bits cost: the perplexity of the bundled models on text that they were not trained on.
#include <gtest/gtest.h>

#include <cmath>

#include "core/files/file.h"
#include "perplexity.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// The last twentieth of the text.
std::string HeldOutLines(const std::filesystem::path& path) {
  const std::string text = ReadFile(path);
  return LinesOfPieces(text, text.size() - text.size() / 20);
}

class Quality : public testing::TestWithParam<const char*> {};

TEST_P(Quality, FewerBitsKeepThePerplexity) {
  const std::filesystem::path text = LargeDataFolder() / "text" / "tinyshakespeare.txt";
  const std::string lines = HeldOutLines(text);
  const auto perplexity = [&](const std::vector<std::string>& more) {
    return Perplexity(GetParam(), lines, more, 10'000);
  };
  const double exact = perplexity({"--dtype", "fp32"});
  EXPECT_LT(exact, 50.0);  // it has learnt something
  const auto loss = [&](const char* dtype) {
    return std::abs(perplexity({"--dtype", dtype}) / exact - 1.0);
  };
  EXPECT_LE(loss("bf16"), 0.002);
  EXPECT_LE(loss("int8"), 0.005);
  EXPECT_LE(loss("int4"), 0.04);
  const double int8_cache = perplexity({"--dtype", "bf16", "--set", "model.cache_dtype=int8"});
  EXPECT_LE(std::abs(int8_cache / exact - 1.0), 0.005);
}

INSTANTIATE_TEST_SUITE_P(BundledModels, Quality,
                         testing::Values("shakespeare-gptj", "shakespeare-neox"),
                         [](const auto& one) { return std::string(one.param).substr(12); });

}  // namespace
}  // namespace lockstep
