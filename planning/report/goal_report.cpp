#include "planning/report/goal_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "planning/report/quantities.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string Heading(const std::string& model, const GoalSearch& search, std::int64_t tried) {
  const Goal& goal = search.goal;
  std::string text = fmt::format("{} on {}\n", model, search.machine.title);
  text += fmt::format("{} tokens/s for each of {} text{} of {} + {} tokens",
                      RateText(goal.tokens_per_second), goal.users, goal.users == 1 ? "" : "s",
                      search.prompt_tokens, search.new_tokens);
  if (goal.first_token_seconds)
    text += fmt::format(",\nfirst token within {}", SecondsText(*goal.first_token_seconds));
  return text + fmt::format("\n{} layouts tried\n\n", GroupedText(tried));
}

constexpr const char* kRow = "{:>5}  {:<5} {:>3} {:>3} {:>4} {:>8} {:>9} {:>8} {:>8}  {}\n";

std::string Row(const Prediction& one) {
  return fmt::format(fmt::runtime(kRow), one.share.units_in_use(one.layout),
                     Name(one.layout.format), one.layout.tp, one.layout.pp, one.layout.dp,
                     one.share.units, RateText(one.tokens_per_second_of_text()),
                     SecondsText(one.time.prompt.total()), GibText(one.memory.need.total()),
                     Name(LimitOf(one.time.step())));
}

std::string Table(const GoalSearch& search, std::span<const Prediction> layouts) {
  const bool gpu = search.machine.kind == MachineKind::kGpu;
  const char* unit = gpu ? "GPUs" : "cores";
  std::string text = fmt::format(fmt::runtime(kRow), unit, "dtype", "tp", "pp", "dp", "per rank",
                                 "tokens/s", "first", "GiB/rank", "limit");
  for (const Prediction& one : layouts) text += Row(one);
  return text;
}

OrderedJson LayoutJson(const Prediction& one) {
  return {{"units", one.share.units_in_use(one.layout)},
          {"dtype", Name(one.layout.format)},
          {"tp", one.layout.tp},
          {"pp", one.layout.pp},
          {"dp", one.layout.dp},
          {"units_per_rank", one.share.units},
          {"tokens_per_second_of_text", one.tokens_per_second_of_text()},
          {"tokens_per_second", one.tokens_per_second()},
          {"first_token_seconds", one.time.prompt.total()},
          {"bytes_per_rank", one.memory.need.total()},
          {"limit", Name(LimitOf(one.time.step()))}};
}

}  // namespace

std::string GoalText(const std::string& model, const GoalSearch& search, const GoalAnswer& answer,
                     std::size_t most) {
  std::string text = Heading(model, search, answer.tried);
  if (!answer.layouts.empty()) {
    const std::size_t shown = std::min(most, answer.layouts.size());
    text += Table(search, std::span(answer.layouts).first(shown));
    if (shown < answer.layouts.size())
      text += fmt::format("and {} that cost more and are faster (--json has them)\n",
                          answer.layouts.size() - shown);
    return text;
  }
  if (!answer.nearest)
    return text + "nothing fits into the memory; use a smaller dtype, or a larger machine\n";
  return text + "no layout reaches it; the nearest is\n" +
         Table(search, std::span(&*answer.nearest, 1));
}

nlohmann::ordered_json GoalJson(const GoalSearch& search, const GoalAnswer& answer) {
  OrderedJson layouts = OrderedJson::array();
  for (const Prediction& one : answer.layouts) layouts.push_back(LayoutJson(one));
  OrderedJson goal{{"tokens_per_second", search.goal.tokens_per_second},
                   {"users", search.goal.users},
                   {"prompt_tokens", search.prompt_tokens},
                   {"new_tokens", search.new_tokens}};
  if (search.goal.first_token_seconds)
    goal["first_token_seconds"] = *search.goal.first_token_seconds;
  OrderedJson json{{"machine", search.machine.title},
                   {"goal", std::move(goal)},
                   {"tried", answer.tried},
                   {"layouts", std::move(layouts)}};
  if (answer.nearest) json["nearest"] = LayoutJson(*answer.nearest);
  return json;
}

}  // namespace lockstep
