#include "launcher/commands/text_input.h"

#include <optional>

#include "core/log.h"
#include "launcher/commands/input_lines.h"
#include "launcher/commands/runtime.h"
#include "launcher/commands/streams.h"

namespace lockstep {

std::vector<ScoreRequest> ReadTexts(const Arguments& arguments, const ModelFiles& model) {
  KeepInput(arguments.input);
  std::vector<ScoreRequest> texts =
      ParseScoreLines(ReadInput(InputPath(arguments.input)), InputName(arguments.input));
  std::optional<Tokenizer> tokenizer;
  if (HasText(texts)) tokenizer = OpenTokenizer(arguments.options, model);
  Prepare(texts, tokenizer ? &*tokenizer : nullptr, model.spec);
  CheckWritable(arguments.output);
  return texts;
}

void LogTexts(const Arguments& arguments, const std::vector<ScoreRequest>& texts,
              std::chrono::steady_clock::time_point start) {
  if (!ShowsStatistics(arguments.verbosity)) return;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::size_t tokens = 0;
  for (const ScoreRequest& text : texts) tokens += text.tokens.size();
  LogInfo("{} tokens of {} texts in {:.2f} s ({:.1f} tokens/s)", tokens, texts.size(), took.count(),
          static_cast<double>(tokens) / took.count());
}

}  // namespace lockstep
