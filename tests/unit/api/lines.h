#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "api/json_lines.h"
#include "api/requests.h"
#include "tests/support/byte_tokenizer.h"

namespace lockstep {

// What the tests of requests read: lines of a batch file "in.jsonl", and lines to score.

inline std::vector<LineRequest> ReadGenerate(const std::string& text, const Options& defaults) {
  std::vector<LineRequest> requests;
  std::istringstream stream(text);
  std::int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (IsBlank(line)) continue;
    const auto index = static_cast<std::int64_t>(requests.size());
    requests.push_back(
        ParseGenerateLine(line, fmt::format("in.jsonl:{}", number), index, defaults));
  }
  return requests;
}

inline std::vector<LineRequest> ReadGenerate(const std::string& text) {
  Options defaults;
  defaults.sampling.params.top_k = 5;
  defaults.sampling.params.seed = 99;
  defaults.sampling.stop = {"."};
  return ReadGenerate(text, defaults);
}

inline LineRequest ReadScore(const std::string& line, const Options& options = {}) {
  return ParseLine(Task::kScore, line, "s.jsonl:1", 0, options);
}

// The letters and signs of ASCII are the tokens.
inline const Tokenizer* Letters() {
  static const Tokenizer tokenizer = Tokenizer::FromJson(ByteTokenizerJson(90), "test");
  return &tokenizer;
}

inline ModelSpec SmallModel() {
  ModelSpec spec;
  spec.vocab_rows = 100;
  spec.context_tokens = 8;
  return spec;
}

}  // namespace lockstep
