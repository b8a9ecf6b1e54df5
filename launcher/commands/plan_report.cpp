#include "launcher/commands/plan_report.h"

#include <vector>

#include "core/error.h"
#include "layers/kv_cache.h"
#include "partition/model/architecture.h"
#include "planning/report/quantities.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

// One rank's line.
struct RankLine {
  int rank = 0;
  Range blocks;
  Range heads;
  Range ffn_columns;
  Range vocab_rows;
  Range position_rows;  // of learned positions
  ParameterCount count;
  std::int64_t weight_bytes = 0;
  std::int64_t cache_bytes_per_token = 0;

  bool is_first_of_stage = false;

  std::int64_t unique() const { return count.total() - (is_first_of_stage ? 0 : count.replicated); }
};

struct Totals {
  std::int64_t parameters = 0;
  std::int64_t non_embedding = 0;
};

std::vector<RankLine> RankLines(const PlanReport& report) {
  const ModelSpec& spec = report.plan.spec();
  std::vector<RankLine> lines;
  for (int rank = 0; rank < report.plan.rank_count(); ++rank) {
    const RankSlices slices = report.plan.Slices(rank);
    RankLine line{.rank = rank,
                  .blocks = slices.blocks,
                  .heads = slices.heads,
                  .ffn_columns = slices.ffn_columns,
                  .vocab_rows = slices.vocab_rows,
                  .position_rows = slices.position_rows,
                  .count = CountParameters(slices),
                  .is_first_of_stage = rank % report.plan.tensor_ranks() == 0};
    line.weight_bytes = WeightBytes(line.count, report.dtype);
    // A key and a value of each local head, in each of its layers.
    line.cache_bytes_per_token = 2 * slices.blocks.size() * slices.local_heads() *
                                 KvCache::BytesPerHead(spec.d_head(), report.cache_dtype);
    lines.push_back(line);
  }
  return lines;
}

Totals Sum(const std::vector<RankLine>& lines) {
  Totals totals;
  for (const RankLine& line : lines) {
    totals.parameters += line.unique();
    // Nothing of the embedding or the head is replicated.
    totals.non_embedding += line.unique() - line.count.embedding;
  }
  return totals;
}

std::int64_t ReducesPerBlock(const ModelSpec& spec) { return spec.parallel_residual ? 1 : 2; }

OrderedJson Pair(Range range) { return {range.begin, range.end}; }

OrderedJson ToJson(const RankLine& line) {
  OrderedJson slices = {{"blocks", Pair(line.blocks)},
                        {"heads", Pair(line.heads)},
                        {"ffn_columns", Pair(line.ffn_columns)},
                        {"vocab_rows", Pair(line.vocab_rows)}};
  if (line.position_rows.size() > 0) slices["positions"] = Pair(line.position_rows);
  return {{"rank", line.rank},
          {"heads", line.heads.size()},
          {"ffn_columns", line.ffn_columns.size()},
          {"vocab_rows", line.vocab_rows.size()},
          {"parameters", line.count.total()},
          {"unique_parameters", line.unique()},
          {"replicated_parameters", line.count.replicated},
          {"weight_bytes", line.weight_bytes},
          {"cache_bytes_per_token", line.cache_bytes_per_token},
          {"slices", std::move(slices)}};
}

std::string Bytes(std::int64_t bytes) {
  constexpr double kStep = 1024.0;
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= kStep && unit + 1 < std::size(kUnits); ++unit) value /= kStep;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

// "0-3"; "3" where it is one, "-" where there is none.
std::string Slice(Range range) {
  if (range.size() == 0) return "-";
  return range.size() == 1 ? fmt::format("{}", range.begin)
                           : fmt::format("{}-{}", range.begin, range.end - 1);
}

std::string Heading(const PlanReport& report, const Totals& totals) {
  const ModelSpec& spec = report.plan.spec();
  return fmt::format(
      "{}: {}\n"
      "{} layers, d_model {}, {} heads of {}, d_ff {},\n"
      "{} vocabulary rows, context {}\n"
      "{} parameters ({} without embeddings), matrices in {}\n"
      "{} all-reduces per token: 1 for the embedding and {} for each of {} blocks\n",
      report.model, ArchitectureOf(spec.family).title, spec.layer_count, spec.d_model,
      spec.head_count, spec.d_head(), spec.d_ff, spec.vocab_rows, spec.context_tokens,
      GroupedText(totals.parameters), GroupedText(totals.non_embedding), Name(report.dtype),
      report.plan.all_reduces_per_pass(), ReducesPerBlock(spec), spec.layer_count);
}

// Of a pipeline.
std::string StageTable(const std::vector<RankLine>& lines) {
  constexpr const char* kRow = "{:>4}  {:>7}  {:>7}  {:>11}  {:>11}  {:>14}  {:>9}  {:>9}\n";
  std::string text = fmt::format(fmt::runtime(kRow), "rank", "blocks", "heads", "ffn columns",
                                 "vocab rows", "parameters", "weights", "KV/token");
  for (const RankLine& line : lines)
    text += fmt::format(fmt::runtime(kRow), line.rank, Slice(line.blocks), Slice(line.heads),
                        Slice(line.ffn_columns), Slice(line.vocab_rows),
                        GroupedText(line.count.total()), Bytes(line.weight_bytes),
                        Bytes(line.cache_bytes_per_token));
  return text;
}

}  // namespace

OrderedJson PlanObject(const PlanReport& report) {
  const std::vector<RankLine> lines = RankLines(report);
  const Totals totals = Sum(lines);
  const ModelSpec& spec = report.plan.spec();
  OrderedJson ranks = OrderedJson::array();
  for (const RankLine& line : lines) ranks.push_back(ToJson(line));
  return {{"model", report.model},
          {"family", std::string(Name(spec.family))},
          {"dtype", std::string(Name(report.dtype))},
          {"tp", report.plan.tensor_ranks()},
          {"pp", report.plan.stage_count()},
          {"parameters", {{"total", totals.parameters}, {"non_embedding", totals.non_embedding}}},
          {"all_reduces_per_token", report.plan.all_reduces_per_pass()},
          {"all_reduces",
           {{"embedding", 1}, {"per_block", ReducesPerBlock(spec)}, {"blocks", spec.layer_count}}},
          {"ranks", std::move(ranks)}};
}

std::string PlanJson(const OrderedJson& object) {
  return object.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string PlanTable(const PlanReport& report) {
  const std::vector<RankLine> lines = RankLines(report);
  std::string text = Heading(report, Sum(lines)) + "\n";
  if (report.plan.stage_count() > 1) return text + StageTable(lines);
  constexpr const char* kRow = "{:>4}  {:>7}  {:>11}  {:>11}  {:>14}  {:>9}  {:>9}\n";
  text += fmt::format(fmt::runtime(kRow), "rank", "heads", "ffn columns", "vocab rows",
                      "parameters", "weights", "KV/token");
  for (const RankLine& line : lines)
    text += fmt::format(fmt::runtime(kRow), line.rank, Slice(line.heads), Slice(line.ffn_columns),
                        Slice(line.vocab_rows), GroupedText(line.count.total()),
                        Bytes(line.weight_bytes), Bytes(line.cache_bytes_per_token));
  return text;
}

}  // namespace lockstep
