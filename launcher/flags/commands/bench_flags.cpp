#include "launcher/flags/commands/bench_flags.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "launcher/flags/flags.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/words/word_list.h"

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
  std::string nearest = CloseName(name, names);
  if (!nearest.empty()) nearest = fmt::format("the nearest is {}, ", nearest);
  throw BadInput("bench: unknown benchmark {}; {}all are {}", QuotedText(name), nearest, kAll);
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

// The default of each kind, where they differ: "1; batch 1,8,32".
template <typename Get>
std::string UsualOfKinds(std::initializer_list<BenchKind> kinds, const Get& get) {
  std::string text, first;
  for (const BenchKind kind : kinds) {
    const std::string usual = get(DefaultBench(kind));
    if (text.empty()) text = first = usual;
    if (usual != first) text += fmt::format("; {} {}", Name(kind), usual);
  }
  return text;
}

std::string JoinedNumbers(const std::vector<std::int64_t>& numbers) {
  if (numbers.empty()) return "512, or half of a shorter context";
  return fmt::format("{}", fmt::join(numbers, ","));
}

}  // namespace

void BenchFlags::Add(CLI::App& command, std::string_view heading) {
  command.add_option("KIND", kind_, "what to measure")->type_name("decode|prefill|batch|comm");
  const auto texts = {BenchKind::kDecode, BenchKind::kPrefill, BenchKind::kBatch};
  const auto decoding = {BenchKind::kDecode, BenchKind::kBatch};
  const auto all = {BenchKind::kDecode, BenchKind::kPrefill, BenchKind::kBatch, BenchKind::kComm};
  for (const ValueFlag& flag :
       {ValueFlag{"--batch", batch_, "N,N,...",
                  "sequences decoded together; a case for each number",
                  UsualOfKinds(texts, [](const auto& b) { return JoinedNumbers(b.batch_sizes); })},
        ValueFlag{
            "--prompt-tokens", prompt_tokens_, "N,N,...",
            "tokens of each prompt; a case for each number",
            UsualOfKinds(texts, [](const auto& b) { return JoinedNumbers(b.prompt_tokens); })},
        ValueFlag{
            "--new-tokens", new_tokens_, "N", "tokens of each sequence that a round times",
            UsualOfKinds(decoding, [](const auto& b) { return std::to_string(b.new_tokens); })},
        ValueFlag{"--bytes", message_bytes_, "N,N,...",
                  "bytes of each all-reduce of comm; a case for each number",
                  JoinedNumbers(DefaultBench(BenchKind::kComm).message_bytes)},
        ValueFlag{"--rounds", rounds_, "N", "rounds that count, after one to warm up",
                  UsualOfKinds(all, [](const auto& b) { return std::to_string(b.rounds); })}})
    AddValueFlag(command, heading, flag);
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
