#include <algorithm>
#include <chrono>

#include "core/log.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/input_lines.h"
#include "launcher/commands/requests.h"
#include "launcher/commands/runtime.h"
#include "launcher/commands/streams.h"
#include "launcher/world/interrupt.h"
#include "layers/kv_cache.h"

namespace lockstep {
namespace {

class ScoreJob : public ModelJob {
 public:
  explicit ScoreJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    KeepInput(arguments_.input);
    requests_ =
        ParseScoreLines(ReadInput(InputPath(arguments_.input)), InputName(arguments_.input));
    std::optional<Tokenizer> tokenizer;
    if (HasText(requests_)) tokenizer = OpenTokenizer(arguments_.options, model);
    lockstep::Prepare(requests_, tokenizer ? &*tokenizer : nullptr, model.spec);
    CheckWritable(arguments_.output);  // now, not after hours of work
    vocab_rows_ = model.spec.vocab_rows;
  }

  // Texts are scored one after the other.
  std::int64_t cache_pages() const override {
    std::size_t longest = 0;
    for (const ScoreRequest& request : requests_)
      longest = std::max(longest, request.tokens.size());
    return KvCache::PagesFor(static_cast<std::int64_t>(longest));
  }

  // All rows count: a probability is one among all that the model gives, padding included.
  std::int64_t sampled_vocab() const override { return vocab_rows_; }

  ExitCode Run(const Workplace& place) override {
    Engine& engine = place.engine;
    const auto start = std::chrono::steady_clock::now();
    Output output(arguments_.output);
    std::size_t token_count = 0;
    for (const ScoreRequest& request : requests_) {
      if (InterruptRequested()) return ExitCode::kInterrupted;
      output.Write(FormatScore(request, engine.ScoreTokens(request.tokens)));
      token_count += request.tokens.size();
    }
    output.Commit();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (ShowsStatistics(arguments_.verbosity))
      LogInfo("{} tokens of {} texts in {:.2f} s ({:.1f} tokens/s)", token_count, requests_.size(),
              took.count(), static_cast<double>(token_count) / took.count());
    return ExitCode::kOk;
  }

 private:
  const Arguments& arguments_;
  std::vector<ScoreRequest> requests_;
  std::int64_t vocab_rows_ = 0;
};

}  // namespace

int RunScore(const Arguments& arguments, std::span<const std::string> arguments_given) {
  ScoreJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
