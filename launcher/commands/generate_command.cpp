#include <algorithm>
#include <chrono>

#include "api/requests.h"
#include "batch/batch_job.h"
#include "batch/model_job.h"
#include "core/error.h"
#include "core/log.h"
#include "launcher/commands/commands.h"
#include "layers/kv_cache.h"
#include "runtime/standard_streams.h"
#include "runtime/world/interrupt.h"
#include "text/session.h"

namespace lockstep {
namespace {

// One text is shown, and nothing but text.
void RefuseWhatCannotBeShown(const TextRequest& request) {
  if (request.n != 1)
    throw BadInput("--prompt: n is {}, but one text can be shown; use --input for several",
                   request.n);
  if (request.logprobs)
    throw BadInput(
        "--prompt: logprobs is {}, but only text is shown; use --input, whose answers have them",
        *request.logprobs);
}

// --prompt: one text, shown as it comes.
class PromptJob : public ModelJob {
 public:
  explicit PromptJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    tokenizer_ = OpenTokenizer(arguments_.options, model);
    spec_ = model.spec;
    generation_ = model.generation;
    Options options = arguments_.options;
    defaults_ = ApplyDefaults(generation_, sampled_vocab(), options);
    request_ = RequestOfPrompt(*arguments_.prompt, options);
    RefuseWhatCannotBeShown(request_.request);
    lockstep::Prepare(request_, &*tokenizer_, spec_);
  }

  // For all samples or beams at the same time, where there is so much memory.
  std::optional<std::int64_t> cache_pages() const override {
    const TextRequest& request = request_.request;
    if (std::max(request.best_of, request.beams.num_beams) > 1) return std::nullopt;
    const auto prompt = static_cast<std::int64_t>(request.tokens.size());
    const std::int64_t added =
        std::min(request.sampling.max_new_tokens, spec_.context_tokens - prompt);
    return KvCache::PagesFor(prompt + added);
  }

  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }

  ExitCode Run(const JobContext& place) override {
    Engine& engine = place.engine;
    const auto start = std::chrono::steady_clock::now();
    std::size_t tokens = 0;
    std::string error;
    if (place.group.world().rank() == 0 && arguments_.verbosity != Verbosity::kQuiet) Report(place);
    TextSession session(engine, *tokenizer_, ShowText(tokens, error));
    session.Submit(0, request_.request);
    while (session.in_flight() > 0 && !InterruptRequested()) session.Step();
    WriteStandardOutput("\n");
    if (session.in_flight() > 0) return ExitCode::kInterrupted;
    if (!error.empty()) {
      LogError("--prompt: {}", error);
      return ExitCode::kBadInput;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (ShowsStatistics(arguments_.verbosity))
      LogInfo("{} tokens in {:.2f} s ({:.1f} tokens/s)", tokens, took.count(),
              static_cast<double>(tokens) / took.count());
    return ExitCode::kOk;
  }

 private:
  void Report(const JobContext& place) const {
    SetLogRank(0, 1);  // said for all ranks
    ReportDefaults(generation_, defaults_);
    SetLogRank(0, place.group.world().size());
  }

  // As it comes; where several samples are made to choose from, the best of them at the end.
  TextSession::Callbacks ShowText(std::size_t& tokens, std::string& error) const {
    TextSession::Callbacks callbacks;
    const bool chooses = request_.request.best_of > 1;
    if (!chooses)
      callbacks.on_text = [](std::int64_t, std::size_t, std::string_view text) {
        WriteStandardOutput(text);
      };
    callbacks.on_result = [&tokens, &error, chooses](std::int64_t, const TextResult& result) {
      error = result.error;
      if (!error.empty()) return;
      tokens = result.samples[0].tokens.size();
      if (chooses) WriteStandardOutput(result.samples[0].text);
    };
    return callbacks;
  }

  const Arguments& arguments_;
  LineRequest request_;
  GenerationConfig generation_;
  AppliedDefaults defaults_;
  ModelSpec spec_;
  std::optional<Tokenizer> tokenizer_;
};

}  // namespace

int RunGenerate(const Arguments& arguments, std::span<const std::string> arguments_given) {
  if (arguments.prompt) {
    PromptJob job(arguments);
    return RunModelJob(arguments, arguments_given, job);
  }
  BatchJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
