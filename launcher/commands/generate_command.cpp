#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>

#include "api/requests.h"
#include "batch/batch_job.h"
#include "core/error.h"
#include "core/log.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/prompt_text.h"
#include "layers/kv_cache.h"
#include "runtime/standard_streams.h"
#include "runtime/world/interrupt.h"
#include "serving/model_job.h"
#include "serving/request_sink.h"

namespace lockstep {
namespace {

// Nothing but text is shown.
void RefuseWhatCannotBeShown(const TextRequest& request) {
  if (request.logprobs)
    throw BadInput(
        "--prompt: logprobs is {}, but only text is shown; use --input, whose answers have them",
        *request.logprobs);
}

// The only text as it is; several below each other, each with its number.
std::string TextOf(const std::vector<TextSample>& samples) {
  if (samples.size() == 1) return samples[0].text;
  std::string all;
  for (std::size_t i = 0; i < samples.size(); ++i)
    all += fmt::format("{}[{} of {}]\n{}", i == 0 ? "" : "\n\n", i + 1, samples.size(),
                       samples[i].text);
  return all;
}

// Shows a text as it comes; several, or the best of several, at the end.
class ShownText : public RequestSink {
 public:
  ShownText(EngineLoop& loop, const TextRequest& request)
      : loop_(loop), at_the_end_(std::max(request.n, request.best_of) > 1) {}

  void OnText(std::size_t, std::string_view text) override {
    if (!at_the_end_) Show(text);
  }
  void OnResult(TextResult result) override {
    for (const auto& sample : result.samples) tokens_ += sample.tokens.size();
    if (at_the_end_) Show(TextOf(result.samples));
    loop_.Drain();
  }
  void OnError(const Error& error) override {
    error_ = error;
    loop_.Drain();
  }

  std::size_t tokens() const { return tokens_; }
  const std::optional<Error>& error() const { return error_; }
  void ThrowIfUnshown() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  // Standard output may be closed or full, which is no fault of the request.
  void Show(std::string_view text) {
    try {
      WriteStandardOutput(text);
    } catch (...) {
      failure_ = std::current_exception();
      loop_.Abort();
    }
  }

  EngineLoop& loop_;
  const bool at_the_end_;
  std::size_t tokens_ = 0;
  std::optional<Error> error_;
  std::exception_ptr failure_;
};

// --prompt and --prompt-file: one text, shown as it comes.
class PromptJob : public ModelJob {
 public:
  explicit PromptJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    tokenizer_ = OpenTokenizer(arguments_.options, model);
    spec_ = model.spec;
    generation_ = model.generation;
    Options options = arguments_.options;
    defaults_ = ApplyDefaults(generation_, sampled_vocab(), options);
    request_ = RequestOfPrompt(PromptText(arguments_), options);
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

  const Tokenizer* tokenizer() const override { return &*tokenizer_; }

  ExitCode Run(const JobContext& place) override {
    const auto start = std::chrono::steady_clock::now();
    if (place.grid.world().rank() == 0 && arguments_.verbosity != Verbosity::kQuiet) Report(place);
    const auto shown = std::make_shared<ShownText>(place.loop, request_.request);
    place.loop.Submit(request_.request, shown);
    place.loop.Run([&place] {
      if (InterruptRequested()) place.loop.Abort();
    });
    shown->ThrowIfUnshown();
    WriteStandardOutput("\n");
    if (shown->error()) return CodeOf(*shown->error());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (ShowsStatistics(arguments_.verbosity))
      LogInfo("{} tokens in {:.2f} s ({:.1f} tokens/s)", shown->tokens(), took.count(),
              static_cast<double>(shown->tokens()) / took.count());
    return ExitCode::kOk;
  }

 private:
  void Report(const JobContext& place) const {
    SetLogRank(0, 1);  // said for all ranks
    ReportDefaults(generation_, defaults_);
    SetLogRank(0, place.grid.world().size());
  }

  static ExitCode CodeOf(const Error& error) {
    if (error.code() != ExitCode::kInterrupted) LogError("--prompt: {}", error.what());
    return error.code();
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
  if (arguments.has_prompt()) {
    PromptJob job(arguments);
    return RunModelJob(arguments, arguments_given, job);
  }
  BatchJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
