#include <algorithm>
#include <utility>

#include "batch/model_job.h"
#include "batch/output.h"
#include "batch/text_input.h"
#include "launcher/commands/commands.h"
#include "layers/kv_cache.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

class ScoreJob : public ModelJob {
 public:
  explicit ScoreJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    TextJob job = ReadTexts(arguments_, model, group_size());
    requests_ = std::move(job.texts);
    identity_ = std::move(job.identity);
    set_finished(job.finished);
    vocab_rows_ = model.spec.vocab_rows;
  }

  // Texts are scored one after the other.
  std::optional<std::int64_t> cache_pages() const override {
    std::size_t longest = 0;
    for (const ScoreRequest& request : requests_)
      longest = std::max(longest, request.tokens.size());
    return KvCache::PagesFor(static_cast<std::int64_t>(longest));
  }

  // All rows count: a probability is one among all that the model gives, padding included.
  std::int64_t sampled_vocab() const override { return vocab_rows_; }

  ExitCode Run(const JobContext& place) override {
    Engine& engine = place.engine;
    Output output(arguments_.output, identity_);
    TextProgress progress(arguments_, requests_);
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (InterruptRequested()) return ExitCode::kInterrupted;
      const Score score = engine.ScoreTokens(requests_[i].tokens);
      output.Write(score.error.empty() ? FormatScore(requests_[i], score)
                                       : progress.Failed(i, score.error));
      progress.Done(i);
    }
    output.Commit();
    return progress.End();
  }

 private:
  const Arguments& arguments_;
  std::vector<ScoreRequest> requests_;
  JobIdentity identity_;
  std::int64_t vocab_rows_ = 0;
};

}  // namespace

int RunScore(const Arguments& arguments, std::span<const std::string> arguments_given) {
  ScoreJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
