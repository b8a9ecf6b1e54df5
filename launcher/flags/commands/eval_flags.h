#pragma once

#include <string>
#include <string_view>

#include "runtime/options/commands/evaluation_options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// What the command line of eval says beside the configuration's options.
class EvalFlags {
 public:
  // Adds the flags, under a heading of its help.
  void Add(CLI::App& command, std::string_view heading);

  // models: what --model says, one or several with commas between. Throws BadInput for what is
  // missing, does not fit together or is out of range.
  EvaluationOptions Read(const std::string& models) const;

 private:
  std::string revisions_;
  std::string tasks_;
  std::string data_;
  std::string num_fewshot_;
  std::string limit_;
  std::string perplexity_;
  std::string samples_;
  std::string html_;
  std::string published_;
};

}  // namespace lockstep
