#include "serving/model_job.h"

#include <unistd.h>

#include "runtime/load_model.h"
#include "serving/model_series.h"

namespace lockstep {
namespace {

class OneModel : public ModelSeries {
 public:
  explicit OneModel(const ModelRun& run) : run_(run) {}

  const Arguments& arguments() const override { return *run_.arguments; }
  std::size_t size() const override { return 1; }
  ModelRun Begin(std::size_t) override { return run_; }
  void Done(std::size_t, ExitCode code) override { code_ = code; }
  void LeaveOut(std::size_t, const Error& why) override { code_ = why.code(); }
  ExitCode End() override { return code_; }

 private:
  ModelRun run_;
  ExitCode code_ = ExitCode::kOk;
};

}  // namespace

bool ShowsStatistics(Verbosity verbosity) {
  if (verbosity == Verbosity::kVerbose) return true;
  // Not for the ranks we start: their two outputs come by different ways, and the one that reports
  // would land in the middle of the text.
  return verbosity == Verbosity::kNormal && ::isatty(STDERR_FILENO) != 0;
}

int RunModelJob(const Arguments& arguments, std::span<const std::string> arguments_given,
                ModelJob& job) {
  OneModel series({&arguments, &job});
  return RunModelSeries(series, arguments_given);
}

}  // namespace lockstep
