#include "launcher/evaluation/evaluation_lines.h"

#include "core/error.h"

namespace lockstep {
namespace {

void WriteLine(std::FILE* file, const std::string& line) {
  if (std::fputs(line.c_str(), file) < 0 || std::fputc('\n', file) == EOF)
    throw EnvironmentError("eval: no room in the temporary folder for what is asked of the model");
}

}  // namespace

void EvaluationLines::MakeFor(const Options& options, const ModelFiles& model) {
  const Tokenizer tokenizer = OpenTokenizer(options, model);
  const std::string& named = options.model.tokenizer;
  const PrefixToken prefix(tokenizer, named.empty() ? model.folder.string() : named);
  const Rules rules{.tokenizer = tokenizer.fingerprint(),
                    .prefix = prefix.found(),
                    .context_tokens = model.spec.context_tokens};
  if (rules_ == rules) return;
  rules_.reset();
  lines_.reset(std::tmpfile());
  if (lines_ == nullptr)
    throw EnvironmentError("eval: no file can be made in the temporary folder");
  plan_ = PlanEvaluation(
      asked_, {.tokenizer = tokenizer, .prefix = prefix, .context_tokens = rules.context_tokens},
      [&](const Window& window) { WriteLine(lines_.get(), ScoreLine(window)); });
  if (std::fflush(lines_.get()) != 0)
    throw EnvironmentError("eval: no room in the temporary folder for what is asked of the model");
  file_ = fmt::format("/proc/self/fd/{}", ::fileno(lines_.get()));
  rules_ = rules;
}

}  // namespace lockstep
