#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "evaluation/requests/plan.h"
#include "runtime/model_files.h"
#include "runtime/options/options.h"

namespace lockstep {

// What models are asked, as the lines of a batch job in a file without a name. Models whose
// tokenizers cut texts into the same tokens and whose contexts are equally long are asked the same,
// such as all revisions of one: lines that are there already are kept for the next model.
class EvaluationLines {
 public:
  // What is asked, the caller's.
  explicit EvaluationLines(const EvaluationOptions& asked) : asked_(asked) {}

  // For this model. Throws BadInput, EnvironmentError.
  void MakeFor(const Options& options, const ModelFiles& model);

  // Of the last model, until the next one: the plan, and the file's name for this process.
  const EvaluationPlan& plan() const { return plan_; }
  const std::string& file() const { return file_; }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  // What plan and lines depend on, beside what is asked.
  struct Rules {
    std::uint64_t tokenizer = 0;
    std::optional<std::int32_t> prefix;
    std::int64_t context_tokens = 0;

    bool operator==(const Rules&) const = default;
  };

  const EvaluationOptions& asked_;
  std::optional<Rules> rules_;  // those of the plan
  EvaluationPlan plan_;
  std::unique_ptr<std::FILE, CloseFile> lines_;
  std::string file_;
};

}  // namespace lockstep
