#include "bench/scaling/scaling_files.h"

#include <array>

#include "bench/result_files.h"
#include "bench/scaling/scaling_json.h"
#include "bench/scaling/scaling_text.h"
#include "runtime/standard_streams.h"

namespace lockstep {

void CheckScalingFiles(const ScalingOptions& options) {
  CheckResultFiles(std::array{options.json_file, options.csv_file, options.html_file});
}

void WriteScaling(const ScalingResult& result) {
  const ScalingOptions& options = result.options;
  if (options.json_file != "-" && options.csv_file != "-" && options.html_file != "-")
    WriteStandardOutput(ScalingText(result));
  if (!options.json_file.empty()) WriteResult(options.json_file, ScalingJson(result));
  if (!options.csv_file.empty()) WriteResult(options.csv_file, ScalingCsv(result));
  if (!options.html_file.empty()) WriteResult(options.html_file, ScalingPage(result));
}

}  // namespace lockstep
