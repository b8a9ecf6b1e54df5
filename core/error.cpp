#include "core/error.h"

namespace lockstep {

void CheckFailed(const char* file, int line, const char* condition, const std::string& detail) {
  throw Error(ExitCode::kInternal,
              fmt::format("internal error at {}:{}: {} does not hold ({}); please report this",
                          file, line, condition, detail));
}

}  // namespace lockstep
