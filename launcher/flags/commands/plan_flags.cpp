#include "launcher/flags/commands/plan_flags.h"

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "launcher/flags/flags.h"
#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

std::optional<std::int64_t> CountOf(const std::string& text, const char* flag,
                                    std::int64_t most = 1 << 20) {
  if (text.empty()) return {};
  return IntegerType{1, most}.Parse({ConfigValue::Kind::kPlain, text, {}, flag});
}

// Of the things that plan can be asked, which one.
void CheckOneQuestion(const PlanOptions& plan) {
  const bool goal = !plan.goal.empty(), fit = !plan.results.empty();
  if (goal && plan.batch) throw BadInput("plan: --goal says for how many users; leave --batch out");
  if (plan.simulate && plan.batch)
    throw BadInput("plan: --simulate has as many texts in flight as arrive; leave --batch out");
  if (goal && fit)
    throw BadInput(
        "plan: --goal and --fit are two things to do; keep what --fit finds with --fit-output "
        "FILE.yaml, and look for layouts with --machine FILE.yaml");
  if (plan.simulate && (goal || fit))
    throw BadInput("plan: --simulate and {} are two things to do; give one",
                   goal ? "--goal" : "--fit");
  if (!plan.calibrated.empty() && !fit)
    throw BadInput("plan: --fit-output goes with --fit RESULT.json");
  if (!plan.html_file.empty() && !fit) throw BadInput("plan: --html goes with --fit RESULT.json");
}

}  // namespace

void PlanFlags::Add(CLI::App& command, std::string_view heading) {
  const std::string tokens =
      fmt::format("{}, or half the context where that is less", PlanOptions::kUsualTokens);
  for (const ValueFlag& flag :
       {ValueFlag{"--machine", machine_, "FILE|NAME",
                  "predicts memory and times on it: a file, here, or one of amx, avx512, avx2, "
                  "a100, h100, h200",
                  "here"},
        ValueFlag{"--batch", batch_, "N", "texts in flight, of all copies together",
                  fmt::format("{}", PlanOptions::kUsualTexts)},
        ValueFlag{"--prompt-tokens", prompt_tokens_, "N", "tokens of each prompt", tokens},
        ValueFlag{"--new-tokens", new_tokens_, "N", "tokens generated for each text", tokens},
        ValueFlag{"--goal", goal_, "TEXT",
                  "finds the cheapest layouts that reach it: \"50 tokens/s for 64 users\""},
        ValueFlag{"--simulate", simulate_, "N",
                  "runs the scheduler over N requests on a clock of predictions"},
        ValueFlag{"--rate", rate_, "R", "requests that arrive per second, with --simulate",
                  fmt::format("{}", PlanOptions{}.rate)},
        ValueFlag{"--fit-output", calibrated_, "FILE.yaml",
                  "where the machine that --fit makes is written to"},
        ValueFlag{"--html", html_, "FILE",
                  "a page that plots measured against predicted, of --fit"}})
    AddValueFlag(command, heading, flag);
  command
      .add_option("--fit", results_,
                  "calibrates the machine by a result of bench --json; may be repeated")
      ->type_name("RESULT.json")
      ->allow_extra_args(false)
      ->group(std::string(heading));
}

PlanOptions PlanFlags::Read() const {
  PlanOptions plan;
  plan.machine = machine_;
  plan.batch = CountOf(batch_, "--batch");
  plan.prompt_tokens = CountOf(prompt_tokens_, "--prompt-tokens");
  plan.new_tokens = CountOf(new_tokens_, "--new-tokens");
  plan.goal = goal_;
  plan.results = results_;
  plan.calibrated = calibrated_;
  plan.html_file = html_;
  plan.simulate = CountOf(simulate_, "--simulate", 100'000'000);
  if (!rate_.empty()) {
    if (!plan.simulate) throw BadInput("plan: --rate goes with --simulate N");
    plan.rate = NumberType{1e-6, 1e9}.Parse({ConfigValue::Kind::kPlain, rate_, {}, "--rate"});
  }
  CheckOneQuestion(plan);
  return plan;
}

}  // namespace lockstep
