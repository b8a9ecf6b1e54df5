#include "evaluation/checkpoints/revisions.h"

#include <charconv>
#include <set>
#include <utility>

#include "core/error.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/word_list.h"

namespace lockstep {
namespace {

constexpr std::string_view kStep = "step";
constexpr std::string_view kBetween = "..";

// More are a slip of the pen.
constexpr std::size_t kMostRevisions = 10'000;
constexpr std::int64_t kMostSteps = 1'000'000'000'000;

std::optional<std::int64_t> NumberOf(std::string_view digits) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool canonical = digits == "0" || !digits.starts_with('0');
  if (code != std::errc() || end != digits.data() + digits.size() || number < 0 || !canonical ||
      number > kMostSteps)
    return std::nullopt;
  return number;
}

// The suite was saved after steps that are powers of two at first, and every thousand later.
bool IsOfTheSuite(std::int64_t step) {
  return step % 1000 == 0 || (step <= 512 && (step & (step - 1)) == 0);
}

// The next step that may be one of the suite.
std::int64_t NextOfTheSuite(std::int64_t step) {
  if (step == 0) return 1;
  if (step < 512) return step + 1;
  return (step / 1000 + 1) * 1000;
}

struct Range {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::optional<std::int64_t> stride;

  std::int64_t Next(std::int64_t step) const {
    return stride ? step + *stride : NextOfTheSuite(step);
  }
  bool Has(std::int64_t step) const { return stride || IsOfTheSuite(step); }
};

Range ParseRange(std::string_view text, std::size_t between) {
  const std::string_view behind = text.substr(between + kBetween.size());
  const std::size_t slash = behind.find('/');
  const auto first = StepOf(text.substr(0, between)), last = StepOf(behind.substr(0, slash));
  const auto stride = slash == behind.npos ? 1 : NumberOf(behind.substr(slash + 1));
  if (!first || !last || !stride || *stride == 0)
    throw BadInput(
        "--revisions: the range {} is none; expected stepA..stepB or stepA..stepB/N with whole "
        "numbers, such as step1000..step143000/2000",
        QuotedText(text));
  if (*first > *last)
    throw BadInput(
        "--revisions: the range {} ends before it begins; expected the smaller step first",
        QuotedText(text));
  return {*first, *last, slash == behind.npos ? std::nullopt : stride};
}

class Revisions {
 public:
  void Add(std::string_view item) {
    const std::size_t between = item.find(kBetween);
    if (between == item.npos) return AddOne(std::string(item));
    const Range range = ParseRange(item, between);
    bool any = false;
    for (std::int64_t step = range.first; step <= range.last; step = range.Next(step)) {
      if (!range.Has(step)) continue;
      AddOne(fmt::format("{}{}", kStep, step));
      any = true;
    }
    if (!any)
      throw BadInput(
          "--revisions: the Pythia suite has no step in {}; give a stride, as in stepA..stepB/1",
          QuotedText(item));
  }

  std::vector<std::string> Take() { return std::move(names_); }

 private:
  void AddOne(std::string name) {
    if (name.empty())
      throw BadInput(
          "--revisions has an empty name; expected names with single commas between them");
    if (name.find_first_of("@ \t") != name.npos)
      throw BadInput("--revisions: {} is no revision; expected a branch, a tag or a commit",
                     QuotedText(name));
    if (!known_.insert(name).second)
      throw BadInput("--revisions names {} twice; give it once", QuotedText(name));
    if (names_.size() == kMostRevisions)
      throw BadInput(
          "--revisions names more than {} revisions; give a stride, as in stepA..stepB/N",
          kMostRevisions);
    names_.push_back(std::move(name));
  }

  std::vector<std::string> names_;
  std::set<std::string> known_;
};

}  // namespace

std::optional<std::int64_t> StepOf(std::string_view revision) {
  if (!revision.starts_with(kStep)) return std::nullopt;
  return NumberOf(revision.substr(kStep.size()));
}

std::vector<std::string> ParseRevisions(std::string_view text) {
  Revisions revisions;
  for (const std::string_view part : SplitAt(text, ',')) revisions.Add(part);
  return revisions.Take();
}

}  // namespace lockstep
