#include "launcher/flags/commands/bench_flags.h"

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "runtime/options/nearest.h"
#include "runtime/options/option_types.h"
#include "runtime/options/word_list.h"

namespace lockstep {
namespace {

constexpr BenchKind kKinds[] = {BenchKind::kDecode, BenchKind::kPrefill, BenchKind::kBatch,
                                BenchKind::kComm};
constexpr IntegerType kCount{1, 1 << 20};
constexpr IntegerType kBytes{4, 1 << 30};

BenchKind KindOf(const std::string& name) {
  constexpr std::string_view kAll = "decode, prefill, batch, comm, scaling, serve or compare";
  if (name.empty()) throw BadInput("bench: nothing to measure; expected {}", kAll);
  std::vector<std::string> names{"scaling", "serve", "compare"};  // commands of their own
  for (const BenchKind kind : kKinds) {
    if (name == Name(kind)) return kind;
    names.emplace_back(Name(kind));
  }
  throw BadInput("bench: unknown benchmark {}; the nearest is {}, all are {}", QuotedText(name),
                 NearestName(name, names), kAll);
}

std::int64_t Number(const std::string& text, const std::string& flag,
                    const IntegerType& type = kCount) {
  return type.Parse({ConfigValue::Kind::kPlain, text, {}, flag});
}

// A flag that this benchmark has no use for.
void Refuse(BenchKind kind, const std::string& text, std::string_view flag) {
  if (!text.empty())
    throw BadInput("bench {}: {} is given, but does not belong to what it measures", Name(kind),
                   flag);
}

// "1,8,32"
std::vector<std::int64_t> Numbers(const std::string& text, const std::string& flag,
                                  const IntegerType& type = kCount) {
  std::vector<std::int64_t> numbers;
  for (const std::string_view word : SplitAt(text, ','))
    numbers.push_back(Number(std::string(word), flag, type));
  return numbers;
}

}  // namespace

void BenchFlags::Add(CLI::App& command, std::string_view heading) {
  const std::string group(heading);
  command.add_option("KIND", kind_, "decode, prefill, batch or comm");
  command.add_option("--batch", batch_, "sequences decoded together; a case for each number")
      ->type_name("N,N,...")
      ->take_last()
      ->group(group);
  command.add_option("--prompt-tokens", prompt_tokens_, "tokens of each prompt; a case for each")
      ->type_name("N,N,...")
      ->take_last()
      ->group(group);
  command.add_option("--new-tokens", new_tokens_, "tokens of each sequence that a round times")
      ->type_name("N")
      ->take_last()
      ->group(group);
  command.add_option("--bytes", message_bytes_, "of each all-reduce; a case for each number")
      ->type_name("N,N,...")
      ->take_last()
      ->group(group);
  command.add_option("--rounds", rounds_, "rounds that count, after one to warm up [5; comm 11]")
      ->type_name("N")
      ->take_last()
      ->group(group);
}

BenchOptions BenchFlags::Read() const {
  BenchOptions bench = DefaultBench(KindOf(kind_));
  const bool comm = bench.kind == BenchKind::kComm;
  if (comm) {
    Refuse(bench.kind, batch_, "--batch");
    Refuse(bench.kind, prompt_tokens_, "--prompt-tokens");
  } else {
    Refuse(bench.kind, message_bytes_, "--bytes");
  }
  if (comm || bench.kind == BenchKind::kPrefill) Refuse(bench.kind, new_tokens_, "--new-tokens");
  if (!batch_.empty()) bench.batch_sizes = Numbers(batch_, "--batch");
  if (!prompt_tokens_.empty()) bench.prompt_tokens = Numbers(prompt_tokens_, "--prompt-tokens");
  if (!new_tokens_.empty()) bench.new_tokens = Number(new_tokens_, "--new-tokens");
  if (!message_bytes_.empty()) bench.message_bytes = Numbers(message_bytes_, "--bytes", kBytes);
  if (!rounds_.empty()) bench.rounds = Number(rounds_, "--rounds");
  return bench;
}

}  // namespace lockstep
