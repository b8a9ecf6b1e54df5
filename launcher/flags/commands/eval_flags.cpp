#include "launcher/flags/commands/eval_flags.h"

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "core/files/file.h"
#include "evaluation/checkpoints/checkpoint_names.h"
#include "evaluation/checkpoints/revisions.h"
#include "evaluation/tasks/tasks.h"
#include "launcher/flags/flags.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/word_list.h"

namespace lockstep {
namespace {

std::int64_t IntegerOf(const std::string& text, const std::string& flag, const IntegerType& type) {
  return type.Parse({ConfigValue::Kind::kPlain, text, {}, flag});
}

// "a,b"
std::vector<std::string> ReadList(const std::string& text, std::string_view flag) {
  return EachOnce<std::string>(text, flag, [&](std::string_view part) {
    if (part.empty())
      throw BadInput("{} is {}; expected names with single commas between them", flag,
                     QuotedText(text));
    return std::string(part);
  });
}

// A folder may have a comma in its name.
std::vector<std::string> ReadModels(const std::string& text) {
  if (text.empty() || FileExists(text)) return {text};
  std::vector<std::string> models = ReadList(text, "--model");
  for (const std::string& model : models)
    if (models.size() > 1 && (model.ends_with(".yaml") || model.ends_with(".yml")))
      throw BadInput(
          "--model {}: a configuration is no model of a list; give it as --config, or alone",
          model);
  return models;
}

void RefuseWithoutTasks(const std::string& text, std::string_view flag) {
  if (!text.empty()) throw BadInput("eval: {} is given, but no --tasks, which it belongs to", flag);
}

}  // namespace

void EvalFlags::Add(CLI::App& command, std::string_view heading) {
  std::string tasks;
  for (const EvaluationTask& task : EvaluationTasks())
    tasks += (tasks.empty() ? "any of " : ", ") + std::string(task.name);
  for (const ValueFlag& flag :
       {ValueFlag{"--revisions", revisions_, "R,R,...",
                  "evaluates these checkpoints of each model, as far as they are in the Hugging "
                  "Face cache: step0,step1000..step143000/2000",
                  "what the model's name says"},
        ValueFlag{"--tasks", tasks_, "T,T,...", tasks.c_str()},
        ValueFlag{"--data", data_, "DIR", "the folder with the documents of the tasks"},
        ValueFlag{"--num-fewshot", num_fewshot_, "K", "solved examples before each question",
                  fmt::format("{}", EvaluationOptions{}.num_fewshot)},
        ValueFlag{"--limit", limit_, "N", "uses the first N documents of each task", "all"},
        ValueFlag{"--perplexity", perplexity_, "FILE",
                  "measures how well the model predicts this text"},
        ValueFlag{"--samples", samples_, "FILE", "JSON lines of what was asked and answered"},
        ValueFlag{"--html", html_, "FILE", "a report: plots and tables of every metric"},
        ValueFlag{"--published", published_, "PATH",
                  "a file or folder with scores to show beside them, in --html"}})
    AddValueFlag(command, heading, flag);
}

EvaluationOptions EvalFlags::Read(const std::string& models) const {
  EvaluationOptions options{.models = ReadModels(models),
                            .revisions = {},
                            .tasks = {},
                            .data = data_,
                            .limit = {},
                            .perplexity = perplexity_,
                            .samples = samples_,
                            .html = html_,
                            .published = published_};
  if (html_.empty() && !published_.empty())
    throw BadInput("eval: --published is given, but no --html, which shows those scores");
  if (!revisions_.empty() && !models.empty()) {
    options.revisions = ParseRevisions(revisions_);
    CheckpointsOf(options);  // throws for a model without revisions
  }
  if (tasks_.empty()) {
    if (perplexity_.empty())
      throw BadInput(
          "eval: nothing to evaluate; expected --tasks T,T --data DIR, or --perplexity FILE");
    RefuseWithoutTasks(data_, "--data");
    RefuseWithoutTasks(num_fewshot_, "--num-fewshot");
    RefuseWithoutTasks(limit_, "--limit");
    RefuseWithoutTasks(samples_, "--samples");
    return options;
  }
  if (data_.empty()) throw BadInput("eval: no documents for --tasks; expected --data DIR");
  options.tasks = ReadList(tasks_, "--tasks");
  if (!num_fewshot_.empty())
    options.num_fewshot = IntegerOf(num_fewshot_, "--num-fewshot", {0, 1 << 20});
  if (!limit_.empty()) options.limit = IntegerOf(limit_, "--limit", {1, std::int64_t{1} << 40});
  return options;
}

}  // namespace lockstep
