#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/chat/chat_request.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// What a server says and assumes of the checkpoint that it has loaded. Shape and tokenizer are not
// among it: they are those of every checkpoint that it can load.
struct ServedCheckpoint {
  std::string name;        // by which it is served
  std::string checkpoint;  // as it was asked for
  Options defaults = {};   // of sampling
  std::vector<std::int32_t> end_tokens = {};
  ChatSupport chat = {};
};

// Looks at the checkpoints that clients ask for, before any rank does.
class Checkpoints {
 public:
  // arguments: the server's. They, the model of the weights that it has, and the tokenizer stay the
  // caller's and outlive it.
  Checkpoints(const Arguments& arguments, const ModelSpec& spec, const Tokenizer& tokenizer)
      : arguments_(arguments), spec_(spec), tokenizer_(tokenizer) {}

  // Everything but the weights. Throws ApiError where there is no such checkpoint, or it cannot
  // take the place of the one that is loaded; it names no file of this machine, the log does.
  ServedCheckpoint Open(const std::string& checkpoint) const;

 private:
  const Arguments& arguments_;
  const ModelSpec& spec_;
  const Tokenizer& tokenizer_;
};

}  // namespace lockstep
