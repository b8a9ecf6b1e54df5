// What fewer bits cost: the perplexity of the bundled models on text that they were not trained on.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// The last twentieth of the text in pieces that fit the context, one JSON object per line.
std::string HeldOutLines(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  std::string lines;
  constexpr std::size_t kPieceBytes = 300;
  for (std::size_t at = text.size() - text.size() / 20; at + kPieceBytes <= text.size();
       at += kPieceBytes)
    lines += DumpJson({{"text", text.substr(at, kPieceBytes)}}) + "\n";
  return lines;
}

double Perplexity(const std::string& model, const std::string& dtype, const std::string& lines,
                  const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {
      "score",   "--model", (SourceFolder() / "models" / model).string(),
      "--dtype", dtype,     "--threads",
      "1",       "--input", "-"};
  command.insert(command.end(), more.begin(), more.end());
  const Outcome run = RunLockstep(command, lines);
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
  EXPECT_GT(tokens, 10'000);
  return std::exp(nats / static_cast<double>(tokens));
}

class Quality : public testing::TestWithParam<const char*> {};

TEST_P(Quality, FewerBitsKeepThePerplexity) {
  const std::filesystem::path text = LargeDataFolder() / "text" / "tinyshakespeare.txt";
  const std::string lines = HeldOutLines(text);
  const double exact = Perplexity(GetParam(), "fp32", lines);
  EXPECT_LT(exact, 50.0);  // it has learnt something
  const auto loss = [&](const char* dtype) {
    return std::abs(Perplexity(GetParam(), dtype, lines) / exact - 1.0);
  };
  EXPECT_LE(loss("bf16"), 0.002);
  EXPECT_LE(loss("int8"), 0.005);
  EXPECT_LE(loss("int4"), 0.04);
  const double int8_cache =
      Perplexity(GetParam(), "bf16", lines, {"--set", "model.cache_dtype=int8"});
  EXPECT_LE(std::abs(int8_cache / exact - 1.0), 0.005);
}

INSTANTIATE_TEST_SUITE_P(BundledModels, Quality,
                         testing::Values("shakespeare-gptj", "shakespeare-neox"),
                         [](const auto& one) { return std::string(one.param).substr(12); });

}  // namespace
}  // namespace lockstep
