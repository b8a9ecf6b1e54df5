#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "partition/model/model_spec.h"
#include "runtime/options/options.h"
#include "text/text_request.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// The lines of generate's, score's and embed's input, as they were read and after they were
// checked.

// One text to continue. After Prepare() request.tokens holds the prompt's tokens.
struct GenerateRequest {
  std::string where;  // "in.jsonl:3", for messages
  Json id;            // a string or an integer, as given; else the request's index from 0
  TextRequest request;
  std::optional<std::int64_t> max_length = {};  // as SamplingOptions
  Json passed = Json::object();                 // fields that come back in the answer
};

struct ScoreRequest {
  std::string where;
  Json id;
  std::string text;
  std::vector<std::int32_t> tokens;  // as given, or those of `text` after Prepare()
  Json passed = Json::object();      // fields that come back in the answer
};

// Reads one line of generate's input, the index-th that is not blank. Whatever it does not say is
// taken from `defaults`, whose keys of `sampling.` are its fields. A line's random stream is its
// index, so that lines differ, unless it has a seed of its own: then it is 0, so that the line
// stands for itself wherever it is. Throws BadInput "where: ..." for a line that is no such object,
// a field that is unknown (with the nearest known one), of the wrong type or out of range.
GenerateRequest ParseGenerateLine(std::string_view line, const std::string& where,
                                  std::int64_t index, const Options& defaults);

// The same for --prompt: a line that says nothing but its prompt.
GenerateRequest RequestOfPrompt(const std::string& prompt, const Options& defaults);

// The same for score and embed.
ScoreRequest ParseScoreLine(std::string_view line, const std::string& where, std::int64_t index,
                            UnknownFields unknown);

// Throws BadInput where an input holds no lines.
void RefuseNone(std::size_t count, std::string_view where);

// Reads JSON lines; empty ones are skipped. Throws BadInput likewise, and for no lines at all.
std::vector<ScoreRequest> ParseScoreLines(std::string_view text, std::string_view where,
                                          UnknownFields unknown = UnknownFields::kRefuse);

// Tokenizes, and checks that the tokens fit the model: ids within its vocabulary, a prompt and
// at least one new token (score: the whole text) within its context. A request that gives
// tokens gets their text as its prompt. Throws BadInput "where: ...".
void Prepare(GenerateRequest& request, const Tokenizer& tokenizer, const ModelSpec& spec);
// tokenizer may be null when no request has text.
void Prepare(std::vector<ScoreRequest>& requests, const Tokenizer* tokenizer,
             const ModelSpec& spec);

// Whether score needs a tokenizer.
bool HasText(const std::vector<ScoreRequest>& requests);

// Lines of the output, with their line ends.
std::string FormatResult(const GenerateRequest& request, const TextResult& result);
// For a line that could not be used. Its id, if it has one that can be read, else its index.
std::string FormatError(std::string_view line, std::int64_t index, std::string_view message);
std::string FormatError(const Json& id, std::string_view message);
std::string FormatScore(const ScoreRequest& request, const Score& score);
std::string FormatEmbedding(const ScoreRequest& request, std::span<const float> vector);

}  // namespace lockstep
