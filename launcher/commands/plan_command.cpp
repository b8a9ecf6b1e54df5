#include "launcher/commands/commands.h"
#include "launcher/commands/plan_report.h"
#include "runtime/model_files.h"
#include "runtime/standard_streams.h"

namespace lockstep {

int RunPlan(const Arguments& arguments) {
  const Options& options = arguments.options;
  const auto ranks = static_cast<int>(options.parallel.tp.value_or(1));
  const ShardPlan plan(ReadSpec(arguments), ranks);
  const std::string& model = options.model.path;
  const PlanReport report{plan, model.empty() ? arguments.config_file : model, options.model.dtype,
                          options.model.kv_dtype()};
  const bool json = arguments.report_format == ReportFormat::kJson;
  WriteStandardOutput(json ? PlanJson(report) : PlanTable(report));
  return 0;
}

}  // namespace lockstep
