#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "core/log.h"
#include "launcher/commands/batch_job.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/requests.h"
#include "launcher/commands/runtime.h"
#include "launcher/commands/streams.h"
#include "launcher/world/interrupt.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

// --prompt: one text, shown as it comes.
class PromptJob : public ModelJob {
 public:
  explicit PromptJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    if (arguments_.prompt->empty())
      throw BadInput("--prompt: is empty; expected at least one character");
    const SamplingOptions& sampling = arguments_.options.sampling;
    if (sampling.n != 1)
      throw BadInput("--prompt: n is {}, but one text can be shown; use --input for several",
                     sampling.n);
    request_ = {.where = "--prompt", .id = 0, .request = {}};
    request_.request.prompt = *arguments_.prompt;
    request_.request.sampling = sampling.params;
    request_.request.stop = sampling.stop;
    tokenizer_ = OpenTokenizer(arguments_.options, model);
    lockstep::Prepare(request_, *tokenizer_, model.spec);
    context_tokens_ = model.spec.context_tokens;
  }

  std::optional<std::int64_t> cache_pages() const override {
    const auto prompt = static_cast<std::int64_t>(request_.request.tokens.size());
    const std::int64_t added = request_.request.sampling.max_new_tokens;
    return KvCache::PagesFor(std::min(prompt + added, context_tokens_));
  }

  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }

  ExitCode Run(const Workplace& place) override {
    Engine& engine = place.engine;
    const auto start = std::chrono::steady_clock::now();
    std::size_t tokens = 0;
    std::string error;
    TextSession session(engine, *tokenizer_,
                        {.on_text = [](std::int64_t, std::size_t,
                                       std::string_view text) { WriteStandardOutput(text); },
                         .on_result =
                             [&](std::int64_t, const TextResult& result) {
                               error = result.error;
                               if (error.empty()) tokens = result.samples[0].tokens.size();
                             }});
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
  const Arguments& arguments_;
  GenerateRequest request_;
  std::optional<Tokenizer> tokenizer_;
  std::int64_t context_tokens_ = 0;
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
