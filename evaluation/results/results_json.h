#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "evaluation/results/results.h"
#include "runtime/options/commands/evaluation_options.h"

namespace lockstep {

// Results as lm-evaluation-harness writes them, so that what reads its files reads ours.

// The version whose rules the evaluation follows.
constexpr std::string_view kHarnessVersion = "0.4.13";

struct EvaluatedModel {
  std::string name;           // as the user gave it, without the revision
  std::string revision = {};  // empty: none was named
  std::string commit = {};    // of the hub; empty: a folder of no known one
  std::string dtype;
  std::int64_t parameters = 0;
  std::int64_t context_tokens = 0;
};

struct EvaluationRun {
  double start = 0.0;  // seconds since 1970
  double seconds = 0.0;
};

// The object of one model: "results", "configs", "versions", "n-shot", "n-samples" and the rest.
OrderedJson ResultsJson(const EvaluationResult& result, const EvaluationOptions& options,
                        const EvaluatedModel& model, const EvaluationRun& run);

// A JSON line, with its end, for each document of each task: what was asked and answered, and the
// metrics' values. Beside the harness's fields "task" and "model", with the revision.
void WriteSamples(const EvaluationResult& result, std::string_view model,
                  const std::function<void(std::string_view line)>& write);

// The harness's name for a file of this model.
std::string FileNameOf(std::string_view model);

}  // namespace lockstep
