#include "batch/text_input.h"

#include <optional>

#include "batch/files/input_lines.h"
#include "batch/model_job.h"
#include "batch/output.h"
#include "batch/stderr_progress.h"
#include "core/error.h"
#include "core/log.h"
#include "runtime/standard_streams.h"

namespace lockstep {

namespace {

struct Texts {
  std::vector<ScoreRequest> requests;
  InputSummary summary;
};

Texts ReadLines(const std::string& input, UnknownFields unknown) {
  InputLines lines(input);
  Texts texts;
  while (const auto line = lines.Next()) {
    if (!line->fits()) throw BadInput("{}", TooLong(*line));
    const auto index = static_cast<std::int64_t>(texts.requests.size());
    texts.requests.push_back(ParseScoreLine(line->text, line->where, index, unknown));
  }
  RefuseNone(texts.requests.size(), InputName(input));
  texts.summary = lines.read();
  return texts;
}

}  // namespace

TextJob ReadTexts(const Arguments& arguments, const ModelFiles& model, int group_size) {
  RefuseSameFile(arguments.input, arguments.output);
  KeepInput(arguments.input);
  Texts texts = ReadLines(arguments.input, arguments.options.input.unknown_fields);
  std::optional<Tokenizer> tokenizer;
  if (HasText(texts.requests)) tokenizer = OpenTokenizer(arguments.options, model);
  Prepare(texts.requests, tokenizer ? &*tokenizer : nullptr, model.spec);
  TextJob job{.texts = std::move(texts.requests), .identity = {}, .finished = {}};
  if (IsAtomicTarget(arguments.output)) {
    job.identity =
        IdentityOf({arguments.command, arguments.options, texts.summary, model, group_size});
    if (arguments.restart == Restart::kGoOn)
      job.finished = FindFinished(arguments.output, job.identity);
  }
  if (!job.finished) CheckWritable(arguments.output);
  return job;
}

TextProgress::TextProgress(const Arguments& arguments, const std::vector<ScoreRequest>& texts)
    : arguments_(arguments), texts_(texts), line_(ProgressOnStderr(arguments.verbosity)) {
  state_.total = static_cast<std::int64_t>(texts.size());
}

void TextProgress::Done(std::size_t text) {
  ++state_.done;
  state_.tokens += static_cast<std::int64_t>(texts_[text].tokens.size());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  state_.seconds = took.count();
  line_.Show(state_);
}

std::string TextProgress::Failed(std::size_t text, const std::string& error) {
  const std::string message = fmt::format("{}: {}", texts_[text].where, error);
  if (errors_++ == 0) first_error_ = message;
  return FormatError(texts_[text].id, message);
}

ExitCode TextProgress::End() {
  line_.Clear();
  if (line_.logged() || ShowsStatistics(arguments_.verbosity))
    LogInfo("{} tokens of {} texts in {:.2f} s ({:.1f} tokens/s)", state_.tokens, state_.done,
            state_.seconds, static_cast<double>(state_.tokens) / state_.seconds);
  if (errors_ == 0) return ExitCode::kOk;
  LogError("{} of {} texts gave no result: see \"error\" in their records; the first: {}", errors_,
           state_.total, first_error_);
  return ExitCode::kBadInput;
}

}  // namespace lockstep
