#include <algorithm>
#include <chrono>

#include "core/log.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/requests.h"
#include "launcher/commands/runtime.h"
#include "launcher/commands/streams.h"
#include "launcher/world/interrupt.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

class GenerateJob : public ModelJob {
 public:
  explicit GenerateJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    requests_ = Read();
    tokenizer_ = OpenTokenizer(arguments_.options, model);
    lockstep::Prepare(requests_, *tokenizer_, model.spec);
    context_tokens_ = model.spec.context_tokens;
    if (!arguments_.prompt) CheckWritable(arguments_.output);  // now, not after hours of work
  }

  // Enough for the longest requests, as many as run together.
  std::int64_t cache_pages() const override {
    std::vector<std::int64_t> pages;
    for (const GenerateRequest& one : requests_) {
      const auto prompt = static_cast<std::int64_t>(one.request.tokens.size());
      const std::int64_t room = context_tokens_ - prompt;
      const std::int64_t added = std::min(room, one.request.sampling.max_new_tokens);
      pages.push_back(KvCache::PagesFor(prompt + added));
    }
    std::sort(pages.rbegin(), pages.rend());
    const auto together = static_cast<std::size_t>(arguments_.options.engine.max_sequences);
    pages.resize(std::min(pages.size(), together));
    std::int64_t sum = 0;
    for (const std::int64_t count : pages) sum += count;
    return sum;
  }

  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }

  ExitCode Run(Engine& engine) override {
    const auto start = std::chrono::steady_clock::now();
    const bool finished = arguments_.prompt ? StreamPrompt(engine) : RunLines(engine);
    if (!finished) return ExitCode::kInterrupted;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (ShowsStatistics(arguments_.verbosity))
      LogInfo("{} tokens in {:.2f} s ({:.1f} tokens/s)", token_count_, took.count(),
              static_cast<double>(token_count_) / took.count());
    return ExitCode::kOk;
  }

 private:
  std::vector<GenerateRequest> Read() const {
    const SamplingOptions& sampling = arguments_.options.sampling;
    if (!arguments_.prompt)
      return ParseGenerateLines(ReadInput(arguments_.input), InputName(arguments_.input), sampling);
    if (arguments_.prompt->empty())
      throw BadInput("--prompt: is empty; expected at least one character");
    GenerateRequest request;
    request.where = "--prompt";
    request.id = 0;
    request.request = {*arguments_.prompt, {}, sampling.params, sampling.stop};
    return {request};
  }

  std::vector<TextRequest> Texts() const {
    std::vector<TextRequest> texts;
    for (const GenerateRequest& one : requests_) texts.push_back(one.request);
    return texts;
  }

  // Characters as they are complete, and a line end after them. False when interrupted.
  bool StreamPrompt(Engine& engine) {
    TextSession::Callbacks callbacks;
    callbacks.on_text = [](std::size_t, std::string_view text) { WriteStandardOutput(text); };
    callbacks.on_result = [&](std::size_t, const TextResult& result) { Count(result); };
    callbacks.interrupted = InterruptRequested;
    const bool finished = TextSession(engine, *tokenizer_).Run(Texts(), callbacks);
    WriteStandardOutput("\n");
    return finished;
  }

  bool RunLines(Engine& engine) {
    Output output(arguments_.output);
    OrderedOutput lines(output, requests_.size());
    TextSession::Callbacks callbacks;
    callbacks.on_result = [&](std::size_t index, const TextResult& result) {
      Count(result);
      lines.Put(index, FormatResult(requests_[index], result));
    };
    callbacks.interrupted = InterruptRequested;
    if (!TextSession(engine, *tokenizer_).Run(Texts(), callbacks)) return false;
    output.Commit();
    return true;
  }

  void Count(const TextResult& result) { token_count_ += result.tokens.size(); }

  const Arguments& arguments_;
  std::vector<GenerateRequest> requests_;
  std::optional<Tokenizer> tokenizer_;
  std::int64_t context_tokens_ = 0;
  std::size_t token_count_ = 0;
};

}  // namespace

int RunGenerate(const Arguments& arguments, std::span<const std::string> arguments_given) {
  GenerateJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
