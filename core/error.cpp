#include "core/error.h"

#include <filesystem>
#include <new>
#include <system_error>

namespace lockstep {

Error CurrentError() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ExitCode::kEnvironment, "out of memory");
  } catch (const std::length_error&) {
    return Error(ExitCode::kEnvironment, "out of memory");
  } catch (const std::filesystem::filesystem_error& error) {
    return EnvironmentError("{}: {}", error.path1().string(), error.code().message());
  } catch (const std::system_error& error) {
    return EnvironmentError("the system refused a thread or a lock: {}", error.code().message());
  } catch (const std::exception& error) {
    return Error(ExitCode::kInternal,
                 fmt::format("unexpected: {}; please report this", error.what()));
  } catch (...) {
    return Error(ExitCode::kInternal, "an unknown exception; please report this");
  }
}

void CheckFailed(const char* file, int line, const char* condition, const std::string& detail) {
  throw Error(ExitCode::kInternal,
              fmt::format("internal error at {}:{}: {} does not hold ({}); please report this",
                          file, line, condition, detail));
}

}  // namespace lockstep
