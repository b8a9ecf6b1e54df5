#include "launcher/flags/commands/scaling_flags.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "launcher/flags/flags.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"
#include "runtime/options/options.h"
#include "runtime/options/words/word_list.h"

namespace lockstep {
namespace {

constexpr const char* kScalingFiles = "Where results go";

std::vector<std::int64_t> ScalingNumbers(const std::string& text, const char* flag,
                                         std::int64_t most) {
  return EachOnce<std::int64_t>(text, flag, [&](std::string_view word) {
    return IntegerType{1, most}.Parse({ConfigValue::Kind::kPlain, std::string(word), {}, flag});
  });
}

std::vector<WeightFormat> ScalingDtypes(const std::string& text) {
  const OptionKey& key = FindOption("model.dtype", "--dtypes");
  return EachOnce<WeightFormat>(text, "--dtypes", [&](std::string_view word) {
    Options options;
    key.set(options, WrittenValue(key, std::string(word), "--dtypes"));
    if (options.model.dtype.is_auto())
      throw BadInput("--dtypes has auto; name the formats to measure, for example bf16,int8");
    return *options.model.dtype.format;
  });
}

ScalingOptions::Kind ScalingKind(const std::string& text) {
  if (text == "strong") return ScalingOptions::Kind::kStrong;
  if (text == "weak") return ScalingOptions::Kind::kWeak;
  if (text == "both") return ScalingOptions::Kind::kBoth;
  throw BadInput("--scaling is {}; expected strong, weak or both", QuotedText(text));
}

}  // namespace

void ScalingFlags::Add(CLI::App& command, std::string_view heading) {
  const ScalingOptions usual;
  const auto list = [](const std::vector<std::int64_t>& numbers) {
    return fmt::format("{}", fmt::join(numbers, ","));
  };
  for (const ValueFlag& flag :
       {ValueFlag{"--ranks", ranks_, "N,N,...", "rank counts",
                  "1,2,4,... as far as each rank has a core"},
        ValueFlag{"--stages", stages_, "P,P,...", "stages that the ranks are cut into",
                  "that of --pp"},
        ValueFlag{"--dtypes", dtypes_, "T,T,...", "formats of the weights", "that of --dtype"},
        ValueFlag{"--batch", batch_, "N,N,...",
                  "sequences: of all ranks together (strong) or of each rank (weak)",
                  list(usual.batch_sizes)},
        ValueFlag{"--prompt-tokens", prompt_tokens_, "N,N,...", "tokens of each prompt",
                  list(usual.prompt_tokens)},
        ValueFlag{"--new-tokens", new_tokens_, "N,N,...", "tokens of each sequence that are timed",
                  list(usual.new_tokens)},
        ValueFlag{"--scaling", kind_, "strong|weak|both", "what to measure", "both"},
        ValueFlag{"--rounds", rounds_, "N", "rounds over all points",
                  fmt::format("{}", usual.rounds)}})
    AddValueFlag(command, heading, flag);
  for (const ValueFlag& flag :
       {ValueFlag{"--json", json_, "FILE", "everything, for programs; - is standard output"},
        ValueFlag{"--csv", csv_, "FILE", "a line for each point, round and rank"},
        ValueFlag{"--html", html_, "FILE", "a page with tables and plots"}})
    AddValueFlag(command, kScalingFiles, flag);
}

ScalingOptions ScalingFlags::Read() const {
  constexpr std::int64_t kLongest = 1 << 20;
  ScalingOptions scaling;
  if (!kind_.empty()) scaling.kind = ScalingKind(kind_);
  if (!ranks_.empty()) scaling.ranks = ScalingNumbers(ranks_, "--ranks", 65536);
  if (!stages_.empty()) scaling.stages = ScalingNumbers(stages_, "--stages", 65536);
  if (!dtypes_.empty()) scaling.dtypes = ScalingDtypes(dtypes_);
  if (!batch_.empty()) scaling.batch_sizes = ScalingNumbers(batch_, "--batch", kLongest);
  if (!prompt_tokens_.empty())
    scaling.prompt_tokens = ScalingNumbers(prompt_tokens_, "--prompt-tokens", kLongest);
  if (!new_tokens_.empty())
    scaling.new_tokens = ScalingNumbers(new_tokens_, "--new-tokens", kLongest);
  if (!rounds_.empty())
    scaling.rounds =
        IntegerType{1, 1000}.Parse({ConfigValue::Kind::kPlain, rounds_, {}, "--rounds"});
  scaling.json_file = json_;
  scaling.csv_file = csv_;
  scaling.html_file = html_;
  return scaling;
}

}  // namespace lockstep
