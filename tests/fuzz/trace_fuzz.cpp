// A trace may be any file that `lockstep trace` is given: it has a summary, or is BadInput.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "runtime/tracing/trace_summary.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const lockstep::TraceSummary summary = lockstep::SummaryOfTrace(text, "fuzz");
    if (lockstep::TraceSummaryText(summary, "fuzz").empty()) std::abort();
    if (lockstep::TraceSummaryJson(summary).empty()) std::abort();
  } catch (const lockstep::Error& error) {
    if (error.code() != lockstep::ExitCode::kBadInput) std::abort();
  }
  return 0;
}
