#pragma once

#include "api/openai/chat/chat_request.h"
#include "runtime/model_files.h"

namespace lockstep {

// The chat template of server.chat_template, or else that of the tokenizer's folder. Throws
// BadInput for the user's own where it cannot be read; where the folder's cannot, the result says
// so.
ChatSupport FindChatSupport(const Options& options, const ModelFiles& model);

}  // namespace lockstep
