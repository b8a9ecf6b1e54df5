#pragma once

#include <memory>
#include <string_view>

#include "api/jobs/line_call.h"

namespace lockstep {

// A line of OpenAI's batch files:
//   {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {…}}
// with the urls /v1/completions, /v1/chat/completions and /v1/embeddings and the bodies that the
// server takes. Its record is that of OpenAI's output and error files in one:
//   {"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}
// A body that is refused has the status and the body of the server's answer; a line that is no such
// request has no response, and an error {"code", "message"}.
//
// The same job gives the same bytes whenever and wherever it runs: ids count the lines, `created`
// is 0, and a body without a seed draws from the configuration's, by the number of its line.
// https://platform.openai.com/docs/api-reference/batch/request-input

// Whether the line is meant to be one.
bool IsOpenAiLine(std::string_view line);

// Throws RefusedLine.
std::unique_ptr<LineCall> ReadOpenAiLine(const InputLine& line, const JobRules& rules);

}  // namespace lockstep
