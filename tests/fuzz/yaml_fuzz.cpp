// Configurations are written by others: whatever they hold, they are read or refused, and what was
// read is printed in a form that reads back.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "runtime/options/option_table.h"
#include "runtime/options/yaml/config_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  lockstep::Options options;
  try {
    lockstep::ApplyYaml(options, text, "fuzz");
  } catch (const lockstep::Error& error) {
    if (error.code() != lockstep::ExitCode::kBadInput) std::abort();
    return 0;
  }
  // Outside the try: what was printed must be good.
  const std::string printed = lockstep::PrintOptions(options);
  lockstep::Options again;
  lockstep::ApplyYaml(again, printed, "printed");
  if (lockstep::PrintOptions(again) != printed) std::abort();
  return 0;
}
