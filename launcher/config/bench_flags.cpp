#include "launcher/config/bench_flags.h"

#include "core/error.h"
#include "launcher/config/nearest.h"
#include "launcher/config/option_types.h"

namespace lockstep {
namespace {

constexpr BenchKind kKinds[] = {BenchKind::kDecode, BenchKind::kPrefill, BenchKind::kBatch,
                                BenchKind::kComm};
constexpr IntegerType kCount{1, 1 << 20};

BenchKind KindOf(const std::string& name) {
  constexpr std::string_view kAll = "decode, prefill, batch or comm";
  if (name.empty()) throw BadInput("bench: nothing to measure; expected {}", kAll);
  std::vector<std::string> names;
  for (const BenchKind kind : kKinds) {
    if (name == Name(kind)) return kind;
    names.emplace_back(Name(kind));
  }
  throw BadInput("bench: unknown benchmark {}; the nearest is {}, all are {}", QuotedText(name),
                 NearestName(name, names), kAll);
}

std::int64_t Number(const std::string& text, const std::string& flag) {
  return kCount.Parse({ConfigValue::Kind::kPlain, text, {}, flag});
}

// "1,8,32"
std::vector<std::int64_t> Numbers(const std::string& text, const std::string& flag) {
  std::vector<std::int64_t> numbers;
  std::size_t begin = 0;
  for (std::size_t comma = 0; comma != std::string::npos; begin = comma + 1) {
    comma = text.find(',', begin);
    numbers.push_back(Number(text.substr(begin, comma - begin), flag));
  }
  return numbers;
}

}  // namespace

std::string_view Name(BenchKind kind) {
  switch (kind) {
    case BenchKind::kDecode: return "decode";
    case BenchKind::kPrefill: return "prefill";
    case BenchKind::kBatch: return "batch";
    case BenchKind::kComm: return "comm";
  }
  return "?";
}

BenchOptions DefaultBench(BenchKind kind) {
  BenchOptions bench{kind, {1}, {16}, 32, 5};
  if (kind == BenchKind::kPrefill) {
    bench.prompt_tokens = {512};
    bench.new_tokens = 0;
  } else if (kind == BenchKind::kBatch) {
    bench.batch_sizes = {1, 8, 32};
    bench.new_tokens = 16;
  }
  return bench;
}

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
  command.add_option("--rounds", rounds_, "rounds that count, after one to warm up [5]")
      ->type_name("N")
      ->take_last()
      ->group(group);
}

BenchOptions BenchFlags::Read() const {
  BenchOptions bench = DefaultBench(KindOf(kind_));
  if (!batch_.empty()) bench.batch_sizes = Numbers(batch_, "--batch");
  if (!prompt_tokens_.empty()) bench.prompt_tokens = Numbers(prompt_tokens_, "--prompt-tokens");
  if (!new_tokens_.empty()) {
    if (bench.kind == BenchKind::kPrefill)
      throw BadInput("bench prefill: --new-tokens is given, but prompts are all it measures");
    bench.new_tokens = Number(new_tokens_, "--new-tokens");
  }
  if (!rounds_.empty()) bench.rounds = Number(rounds_, "--rounds");
  return bench;
}

}  // namespace lockstep
