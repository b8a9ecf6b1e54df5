#include "perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {

std::string LinesOfPieces(std::string_view text, std::size_t begin) {
  std::string lines;
  for (std::size_t at = begin; at + kPieceBytes <= text.size(); at += kPieceBytes)
    lines += DumpJson({{"text", text.substr(at, kPieceBytes)}}) + "\n";
  return lines;
}

double Perplexity(const std::string& model, const std::string& lines,
                  const std::vector<std::string>& more, std::int64_t least_tokens) {
  std::vector<std::string> command = {
      "score",   "--model", (SourceFolder() / "models" / model).string(), "--threads", "1",
      "--input", "-"};
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
  EXPECT_GT(tokens, least_tokens);
  return std::exp(nats / static_cast<double>(tokens));
}

}  // namespace lockstep
