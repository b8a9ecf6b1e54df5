#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "batch/output.h"
#include "evaluation/results/results_json.h"

namespace lockstep {

// Where the results of an evaluation go, one model after the other: tables on standard output as
// they come; results, samples and the report in files that appear whole at the end.
class EvaluationOutput {
 public:
  // arguments: of eval, the caller's.
  explicit EvaluationOutput(const Arguments& arguments) : arguments_(arguments) {}

  // Throws BadInput, EnvironmentError: now, not after hours of work.
  void Check() const;
  // The same for what takes long: once is enough for all ranks.
  void CheckPublished() const;

  void Add(const EvaluationResult& result, const EvaluatedModel& model, const EvaluationRun& run);
  // Why there is no result of this one.
  void AddMissing(const std::string& model, std::string_view why);

  bool empty() const { return models_.empty(); }
  // Writes the files.
  void Commit();

 private:
  void RefuseToLoseResults() const;
  OrderedJson All() const;
  void WriteReport() const;

  const Arguments& arguments_;
  OrderedJson models_ = OrderedJson::array();
  OrderedJson missing_ = OrderedJson::array();
  std::unique_ptr<Output> samples_;
  bool has_table_ = false;
};

}  // namespace lockstep
