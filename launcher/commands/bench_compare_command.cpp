#include "bench/compare/compare.h"
#include "launcher/commands/commands.h"

namespace lockstep {

int RunBenchCompare(const Arguments& arguments) { return RunCompare(arguments.compare); }

}  // namespace lockstep
