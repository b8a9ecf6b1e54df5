// Chat templates come with models that others have made: whatever one holds, it renders within its
// limits, or is refused with its place.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "text/jinja/template.h"

namespace {

using namespace lockstep;
using namespace lockstep::jinja;

constexpr std::string_view kMessages =
    R"([{"role":"system","content":"s"},{"role":"user","content":" a\nb "},)"
    R"({"role":"assistant","content":[{"type":"text","text":"ä"}],"n":1.5,"tool_calls":null}])";

Dict Variables() {
  Dict variables;
  variables.Set(Value("messages"), Value::FromJson(nlohmann::ordered_json::parse(kMessages)));
  variables.Set(Value("bos_token"), Value("<s>"));
  variables.Set(Value("eos_token"), Value("</s>"));
  variables.Set(Value("add_generation_prompt"), Value(true));
  variables.Set(Value("tools"), Value(None{}));
  return variables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Dict variables = Variables();
  const Limits limits{.steps = 20'000, .output_bytes = 1 << 16};
  try {
    const Template parsed({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (parsed.Render(variables, limits).size() > limits.output_bytes) std::abort();
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) std::abort();
    if (!std::string_view(error.what()).starts_with("fuzz")) std::abort();
  }
  return 0;
}
