#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/json.h"
#include "partition/model/model_spec.h"
#include "runtime/options/options.h"
#include "text/text_request.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// The lines of generate's, score's and embed's input, as they were read and after they were
// checked.

// More tokens than the model's context has room for.
class ContextError : public Error {
 public:
  explicit ContextError(const std::string& message) : Error(ExitCode::kBadInput, message) {}
};

// One text and what is wanted of it. After Prepare() request.tokens holds its tokens.
struct LineRequest {
  std::string where;  // "in.jsonl:3", for messages
  Json id;            // a string or an integer, as given; else the request's index from 0
  TextRequest request;
  std::string continuation = {};                // score: what follows on request.prompt, if any
  std::optional<std::int64_t> max_length = {};  // as SamplingOptions
  Json passed = Json::object();                 // fields that come back in the answer
};

// Reads one line of generate's input, the index-th that is not blank. Whatever it does not say is
// taken from `defaults`, whose keys of `sampling.` are its fields. A line's random stream is its
// index, so that lines differ, unless it has a seed of its own: then it is 0, so that the line
// stands for itself wherever it is. Throws BadInput "where: ..." for a line that is no such object,
// a field that is unknown (with the nearest known one), of the wrong type or out of range.
LineRequest ParseGenerateLine(std::string_view line, const std::string& where, std::int64_t index,
                              const Options& defaults);

// The same for an object of such fields.
LineRequest ParseGenerateObject(Json object, const std::string& where, std::int64_t index,
                                const Options& defaults);

// The same for --prompt: a line that says nothing but its prompt.
LineRequest RequestOfPrompt(const std::string& prompt, const Options& defaults);

// The same for the line of any command.
LineRequest ParseLine(Task task, std::string_view line, const std::string& where,
                      std::int64_t index, const Options& defaults);

// Whether a line that was read has text and no tokens yet.
inline bool NeedsTokenizer(const LineRequest& request) { return request.request.tokens.empty(); }

// Tokenizes, and checks that the tokens fit the model: ids within its vocabulary, a prompt and
// at least one new token (score, embed: the whole text) within its context (ContextError). A
// request to generate that gives tokens gets their text as its prompt. tokenizer: null where there
// is none. Throws BadInput "where: ...", also for a request that needs a tokenizer where there is
// none.
void Prepare(LineRequest& request, const Tokenizer* tokenizer, const ModelSpec& spec);

}  // namespace lockstep
