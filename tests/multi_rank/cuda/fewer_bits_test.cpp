// What weights in fewer bits cost on a GPU: the perplexity of text that the bundled models have not
// learnt from, as tests/commands/quality_test.cpp has it of processors. Less text, for the
// emulation's sake.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "core/files/file.h"
#include "perplexity.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

constexpr std::size_t kPieces = 2;

class FewerBitsOnCuda : public testing::TestWithParam<const char*> {
 protected:
  // Beside fp32 on the processor.
  double Loss(const char* dtype) const {
    static std::map<std::string, double> exact;  // of each model
    auto found = exact.find(GetParam());
    if (found == exact.end()) {
      found = exact.emplace(GetParam(), PerplexityOf("cpu", "fp32")).first;
      EXPECT_LT(found->second, 60.0);  // it has learnt something
    }
    return std::abs(PerplexityOf("cuda", dtype) / found->second - 1.0);
  }

 private:
  double PerplexityOf(const char* device, const char* dtype) const {
    const std::string text = ReadFile(LargeDataFolder() / "text" / "tinyshakespeare.txt");
    const std::string lines = LinesOfPieces(text, text.size() - kPieces * kPieceBytes);
    return Perplexity(GetParam(), lines, {"--device", device, "--dtype", dtype}, 150);
  }
};

TEST_P(FewerBitsOnCuda, KeepThePerplexity) {
  EXPECT_LE(Loss("int8"), 0.005);
  EXPECT_LE(Loss("int4"), 0.04);
}

// A test of its own: not every GPU multiplies them.
TEST_P(FewerBitsOnCuda, KeepThePerplexityInFp8) { EXPECT_LE(Loss("fp8"), 0.02); }

INSTANTIATE_TEST_SUITE_P(BundledModels, FewerBitsOnCuda,
                         testing::Values("shakespeare-gptj", "shakespeare-neox"),
                         [](const auto& one) { return std::string(one.param).substr(12); });

}  // namespace
}  // namespace lockstep
