#pragma once

#include <cstdint>

#include "engine/adjust_logits.h"
#include "engine/request.h"
#include "engine/step.h"

namespace lockstep {

// What has to be known of the row of logits that a request's next token is chosen from: as little
// as its sampling controls allow, for whole rows are what ranks would spend their time sending.
RowRequest RowForChoice(const Request& request, std::int64_t generated_count);

// The next token, at `position` of its sequence; its log-probability where the request asks.
TokenEvent ChooseToken(const RowResult& row, const Request& request, const History& history);

// What a row behind a token of the prompt says of the token that follows.
RowRequest RowForPrompt(const Request& request, std::int32_t following);
TokenLogprob PromptLogprob(const RowResult& row, const Request& request, std::int32_t following);

}  // namespace lockstep
