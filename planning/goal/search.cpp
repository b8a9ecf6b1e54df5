#include <algorithm>

#include "planning/goal/goal.h"

namespace lockstep {
namespace {

std::vector<WeightFormat> FormatsOf(const GoalSearch& search) {
  if (search.format) return {*search.format};
  std::vector<WeightFormat> formats;
  // fp16 takes what bf16 takes: it is a choice for the sake of its numbers. What fp8 takes is a
  // guess, and no less than int8's.
  for (const WeightFormat format : kWeightFormats)
    if (format != WeightFormat::kF16 && format != WeightFormat::kF8 &&
        Computes(search.machine, format))
      formats.push_back(format);
  return formats;
}

// The one that was chosen, or the powers of two up to `most`, and `most`.
std::vector<std::int64_t> CountsUpTo(std::int64_t most, const std::optional<std::int64_t>& chosen) {
  if (chosen) return {*chosen};
  std::vector<std::int64_t> counts;
  for (std::int64_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

// Numbers of copies, each the least one with which a copy has so many texts.
std::vector<std::int64_t> CopiesFor(std::int64_t users, std::int64_t most) {
  std::vector<std::int64_t> counts;
  std::int64_t last_texts = 0;
  for (std::int64_t copies = 1; copies <= std::min(users, most); ++copies) {
    const std::int64_t texts = (users + copies - 1) / copies;
    if (texts == last_texts) continue;
    last_texts = texts;
    counts.push_back(copies);
  }
  return counts;
}

std::int64_t CostOf(const Prediction& one) { return one.share.units_in_use(one.layout); }

// Bits of a weight: the more, the more exact.
double Exactness(WeightFormat format) {
  constexpr std::int64_t kElements = 1 << 20;
  return static_cast<double>(MatrixBytes(format, kElements));
}

bool Earlier(const Prediction& a, const Prediction& b) {
  if (CostOf(a) != CostOf(b)) return CostOf(a) < CostOf(b);
  const double exact_a = Exactness(a.layout.format), exact_b = Exactness(b.layout.format);
  if (exact_a != exact_b) return exact_a > exact_b;
  return a.tokens_per_second_of_text() > b.tokens_per_second_of_text();
}

class Searcher {
 public:
  explicit Searcher(const GoalSearch& search) : search_(search) {}

  GoalAnswer Run() {
    for (const WeightFormat format : FormatsOf(search_))
      for (const std::int64_t tp : CountsUpTo(search_.spec.head_count, search_.tp))
        for (const std::int64_t pp : StageCounts())
          for (const std::int64_t threads : ThreadCounts())
            TryCopies({.tp = tp, .pp = pp, .threads = threads, .format = format});
    std::ranges::stable_sort(answer_.layouts, Earlier);
    KeepUnbeaten();
    if (!answer_.layouts.empty()) answer_.nearest.reset();
    return std::move(answer_);
  }

 private:
  // What stages are for: a network between them.
  std::vector<std::int64_t> StageCounts() const {
    const bool gpu = search_.machine.kind == MachineKind::kGpu;
    if (gpu && !search_.machine.link(LinkLevel::kHost) && !search_.pp) return {1};
    return CountsUpTo(std::min(search_.machine.nodes, search_.spec.layer_count), search_.pp);
  }

  std::vector<std::int64_t> ThreadCounts() const {
    if (search_.machine.kind == MachineKind::kGpu) return {1};
    return CountsUpTo(search_.machine.units_per_node(), search_.threads);
  }

  // The fewest copies that are enough.
  void TryCopies(Layout layout) {
    const std::int64_t units = search_.machine.units_per_node();
    if (layout.threads > units) return;
    const std::int64_t room = units / layout.threads * search_.machine.nodes;
    for (const std::int64_t copies : CopiesFor(search_.goal.users, room / layout.ranks_of_copy())) {
      layout.dp = copies;
      Prediction one = Predict({.spec = search_.spec,
                                .machine = search_.machine,
                                .workload = {.texts = search_.goal.users,
                                             .prompt_tokens = search_.prompt_tokens,
                                             .new_tokens = search_.new_tokens},
                                .limits = search_.limits},
                               WithUsualCache(layout));
      ++answer_.tried;
      if (Meets(one, search_.goal)) {
        answer_.layouts.push_back(std::move(one));
        return;
      }
      Note(one);
    }
  }

  void Note(const Prediction& one) {
    if (!one.memory.fits) return;
    if (!answer_.nearest ||
        one.tokens_per_second_of_text() > answer_.nearest->tokens_per_second_of_text())
      answer_.nearest = one;
  }

  // In their order, each is dearer than those before it, or as dear and no faster.
  void KeepUnbeaten() {
    std::vector<Prediction> kept;
    for (Prediction& one : answer_.layouts) {
      const bool beaten = std::ranges::any_of(kept, [&](const Prediction& other) {
        return other.layout.format == one.layout.format &&
               other.tokens_per_second_of_text() >= one.tokens_per_second_of_text();
      });
      if (!beaten) kept.push_back(std::move(one));
    }
    answer_.layouts = std::move(kept);
  }

  const GoalSearch& search_;
  GoalAnswer answer_;
};

}  // namespace

GoalAnswer Search(const GoalSearch& search) { return Searcher(search).Run(); }

}  // namespace lockstep
