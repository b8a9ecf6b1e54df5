#include "evaluation/tasks/tasks.h"
#include "launcher/commands/commands.h"
#include "launcher/evaluation/evaluation_series.h"
#include "runtime/world/world.h"

namespace lockstep {

int RunEval(const Arguments& arguments, std::span<const std::string> arguments_given) {
  for (const std::string& name : arguments.evaluation.tasks) FindTask(name);
  EvaluationSeries series(arguments);
  if (!InsideWorld()) series.LookAhead();
  return RunModelSeries(series, arguments_given);
}

}  // namespace lockstep
