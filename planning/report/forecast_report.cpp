#include "planning/report/forecast_report.h"

#include <fmt/format.h>

#include "planning/report/quantities.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct MemoryLine {
  const char* name;
  double bytes;
  std::string note;
};

std::string MemoryText(const ForecastReport& report) {
  const Prediction& one = report.prediction;
  const MemoryForecast& memory = one.memory;
  const std::int64_t tokens = one.texts_per_copy * one.workload.tokens_of_text();
  std::string text = fmt::format("{:<30}{:>9}\n", "memory of a rank", "GiB");
  for (const auto& [name, bytes, note] :
       {MemoryLine{"weights", memory.need.weights, ""},
        MemoryLine{
            "keys and values", memory.need.cache,
            fmt::format("{} tokens in {}", GroupedText(tokens), Name(one.layout.cache_dtype))},
        MemoryLine{"activations", memory.need.activations, ""},
        MemoryLine{"loading", memory.need.staging, ""},
        MemoryLine{"together", memory.need.total(),
                   fmt::format("of {}: {}", GibText(memory.available),
                               memory.fits ? "fits" : "does not fit")}})
    text +=
        fmt::format("  {:<28}{:>9}{}{}\n", name, GibText(bytes), note.empty() ? "" : "   ", note);
  return text + fmt::format("  room in the cache for {} tokens, {} such texts\n",
                            GroupedText(one.layout.dp * memory.room_tokens),
                            GroupedText(memory.room_texts));
}

std::string TimeLine(const std::string& name, const StepTime& time, const StepTime& best) {
  if (time.total() <= 0.0) return "";
  return fmt::format("  {:<28}{:>9}  {:>9}  {:>5.0f} %  {}\n", name, SecondsText(time.total()),
                     SecondsText(best.total()), 100.0 * best.total() / time.total(),
                     Name(LimitOf(time)));
}

std::string TimesText(const Prediction& one) {
  std::string text =
      fmt::format("{:<30}{:>9}  {:>9}  {:>7}  {}\n", "time", "predicted", "at best", "", "limit");
  text += TimeLine(fmt::format("a prompt of {}", one.workload.prompt_tokens), one.time.prompt,
                   one.best.prompt);
  if (one.texts_per_copy > 1)
    text += TimeLine(fmt::format("all {} prompts of a copy", one.texts_per_copy), one.time.prompts,
                     one.best.prompts);
  text += TimeLine(
      fmt::format("a step of {} text{}", one.texts_per_copy, one.texts_per_copy == 1 ? "" : "s"),
      one.time.step(), one.best.step());
  StepTime whole = one.time.prompts, best = one.best.prompts;
  whole += one.time.decode;
  best += one.best.decode;
  return text + TimeLine("all of it", whole, best);
}

std::string SplitText(const Prediction& one) {
  const StepTime step = one.time.step();
  const double total = step.total();
  if (total <= 0.0) return "";
  const auto share = [&](double part) { return 100.0 * part / total; };
  return fmt::format(
      "\nof a step: weights {:.0f} %, cache {:.0f} %, products {:.0f} %, attention {:.0f} %,\n"
      "  activations {:.0f} %, all-reduces {:.0f} %, overhead {:.0f} %\n",
      share(step.weights), share(step.cache), share(step.products), share(step.attention),
      share(step.activations), share(step.sums), share(step.overhead));
}

OrderedJson TimeJson(const StepTime& time, const StepTime& best) {
  return {{"seconds", time.total()},
          {"at_best_seconds", best.total()},
          {"limit", Name(LimitOf(time))},
          {"split",
           {{"weights", time.weights},
            {"cache", time.cache},
            {"products", time.products},
            {"attention", time.attention},
            {"activations", time.activations},
            {"all_reduces", time.sums},
            {"overhead", time.overhead}}}};
}

}  // namespace

std::string HereText(const FitHere& here) {
  return fmt::format(
      "here: {} GiB of {} that are free in {}: {}\n", GibText(here.need), GibText(here.free),
      here.pool,
      here.fits() ? "fits" : "does not fit;\n  use a smaller --dtype, or ranks on more hosts");
}

nlohmann::ordered_json HereJson(const FitHere& here) {
  return {{"need_bytes", here.need},
          {"free_bytes", here.free},
          {"pool", here.pool},
          {"fits", here.fits()}};
}

std::string ForecastText(const ForecastReport& report) {
  const Prediction& one = report.prediction;
  const Layout& layout = one.layout;
  std::string text =
      fmt::format("{} in {}, on {}\n", report.model, Name(layout.format), report.machine.title);
  const std::string stages = layout.pp == 1 ? "" : fmt::format("{} stages of ", layout.pp);
  text += fmt::format("{} cop{} of {}{} rank{} of {}, {} node{}; {} text{} of {} + {} tokens\n\n",
                      layout.dp, layout.dp == 1 ? "y" : "ies", stages, layout.tp,
                      layout.tp == 1 ? "" : "s", UnitsOf(report.machine, one.share.units),
                      one.share.nodes, one.share.nodes == 1 ? "" : "s", one.workload.texts,
                      one.workload.texts == 1 ? "" : "s", one.workload.prompt_tokens,
                      one.workload.new_tokens);
  text += MemoryText(report) + "\n" + TimesText(one) + SplitText(one);
  text += fmt::format("speed: {} tokens/s for each text, {} tokens/s in all\n",
                      RateText(one.tokens_per_second_of_text()), RateText(one.tokens_per_second()));
  return report.here == nullptr ? text : text + HereText(*report.here);
}

nlohmann::ordered_json ForecastJson(const ForecastReport& report) {
  const Prediction& one = report.prediction;
  const MemoryForecast& memory = one.memory;
  return {{"machine", report.machine.title},
          {"layout",
           {{"dtype", Name(one.layout.format)},
            {"cache_dtype", Name(one.layout.cache_dtype)},
            {"tp", one.layout.tp},
            {"pp", one.layout.pp},
            {"dp", one.layout.dp},
            {"units_per_rank", one.share.units},
            {"nodes", one.share.nodes}}},
          {"workload",
           {{"batch", one.workload.texts},
            {"prompt_tokens", one.workload.prompt_tokens},
            {"new_tokens", one.workload.new_tokens}}},
          {"memory",
           {{"weight_bytes", memory.need.weights},
            {"cache_bytes", memory.need.cache},
            {"activation_bytes", memory.need.activations},
            {"loading_bytes", memory.need.staging},
            {"available_bytes", memory.available},
            {"room_tokens", one.layout.dp * memory.room_tokens},
            {"room_texts", memory.room_texts},
            {"fits", memory.fits}}},
          {"time",
           {{"prompt", TimeJson(one.time.prompt, one.best.prompt)},
            {"prompts", TimeJson(one.time.prompts, one.best.prompts)},
            {"step", TimeJson(one.time.step(), one.best.step())},
            {"seconds", one.time.seconds()},
            {"at_best_seconds", one.best.seconds()}}},
          {"tokens_per_second",
           {{"of_text", one.tokens_per_second_of_text()}, {"in_all", one.tokens_per_second()}}}};
}

}  // namespace lockstep
