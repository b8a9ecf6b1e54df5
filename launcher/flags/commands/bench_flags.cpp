#include "launcher/flags/commands/bench_flags.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "launcher/flags/flags.h"
#include "launcher/flags/help_texts.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/word_list.h"

namespace lockstep {
namespace {

constexpr BenchCommand kBenchCommands[] = {
    {BenchKind::kDecode, "Times one sequence, token by token.", kBenchDecodeFooter},
    {BenchKind::kPrefill, "Times prompts.", kBenchPrefillFooter},
    {BenchKind::kBatch, "Times several sequences together, token by token.", kBenchBatchFooter},
    {BenchKind::kComm, "Times all-reduces between the ranks.", kBenchCommFooter}};
constexpr IntegerType kCount{1, 1 << 20};
constexpr IntegerType kBytes{4, 1 << 30};

std::int64_t Number(const std::string& text, const std::string& flag,
                    const IntegerType& type = kCount) {
  return type.Parse({ConfigValue::Kind::kPlain, text, {}, flag});
}

// "1,8,32"
std::vector<std::int64_t> Numbers(const std::string& text, const std::string& flag,
                                  const IntegerType& type = kCount) {
  std::vector<std::int64_t> numbers;
  for (const std::string_view word : SplitAt(text, ','))
    numbers.push_back(Number(std::string(word), flag, type));
  return numbers;
}

std::string JoinedNumbers(const std::vector<std::int64_t>& numbers) {
  if (numbers.empty()) return "512, or half of a shorter context";
  return fmt::format("{}", fmt::join(numbers, ","));
}

}  // namespace

std::span<const BenchCommand> BenchCommands() { return kBenchCommands; }

void BenchFlags::Add(CLI::App& command, std::string_view heading, BenchKind kind) {
  kind_ = kind;
  const BenchOptions usual = DefaultBench(kind);
  if (kind == BenchKind::kComm) {
    AddValueFlag(
        command, heading,
        {"--bytes", message_bytes_, "N,N,...", "bytes of each all-reduce; a case for each number",
         JoinedNumbers(usual.message_bytes)});
  } else {
    AddValueFlag(command, heading,
                 {"--batch", batch_, "N,N,...",
                  "sequences that are computed together; a case for each number",
                  JoinedNumbers(usual.batch_sizes)});
    AddValueFlag(
        command, heading,
        {"--prompt-tokens", prompt_tokens_, "N,N,...",
         "tokens of each prompt; a case for each number", JoinedNumbers(usual.prompt_tokens)});
  }
  if (kind == BenchKind::kDecode || kind == BenchKind::kBatch)
    AddValueFlag(command, heading,
                 {"--new-tokens", new_tokens_, "N", "tokens of each sequence that a round times",
                  std::to_string(usual.new_tokens)});
  AddValueFlag(command, heading,
               {"--rounds", rounds_, "N", "rounds that count, after one to warm up",
                std::to_string(usual.rounds)});
}

BenchOptions BenchFlags::Read() const {
  BenchOptions bench = DefaultBench(kind_);
  if (!batch_.empty()) bench.batch_sizes = Numbers(batch_, "--batch");
  if (!prompt_tokens_.empty()) bench.prompt_tokens = Numbers(prompt_tokens_, "--prompt-tokens");
  if (!new_tokens_.empty()) bench.new_tokens = Number(new_tokens_, "--new-tokens");
  if (!message_bytes_.empty()) bench.message_bytes = Numbers(message_bytes_, "--bytes", kBytes);
  if (!rounds_.empty()) bench.rounds = Number(rounds_, "--rounds");
  return bench;
}

}  // namespace lockstep
