#include <utility>

#include "batch/files/vector_output.h"
#include "batch/model_job.h"
#include "batch/text_input.h"
#include "core/error.h"
#include "launcher/commands/commands.h"
#include "runtime/cache_size.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

// lockstep embed: one vector for each text of the input.
class EmbedJob : public ModelJob {
 public:
  explicit EmbedJob(const Arguments& arguments) : arguments_(arguments) {}

  void Prepare(const ModelFiles& model) override {
    spec_ = model.spec;
    if (layer() > spec_.layer_count)
      throw BadInput("embed: layer is {}; the model's are 0 to {}", layer(), spec_.layer_count);
    TextJob job = ReadTexts(arguments_, model, group_size());
    requests_ = std::move(job.texts);
    identity_ = std::move(job.identity);
    set_finished(job.finished);
  }

  std::optional<std::int64_t> cache_pages() const override {
    return AskedPages(arguments_.options.engine);
  }
  std::int64_t sampled_vocab() const override { return spec_.vocab_rows; }
  std::int64_t hidden_layer() const override { return layer(); }

  ExitCode Run(const JobContext& place) override {
    TextProgress progress(arguments_, requests_);
    const auto output = OpenVectorOutput(
        arguments_.output, identity_, static_cast<std::int64_t>(requests_.size()), spec_.d_model);
    // So many wait or run that the engine is full, and finished ones that wait for their turn are
    // few.
    const auto window = static_cast<std::size_t>(2 * arguments_.options.engine.max_sequences);
    for (std::size_t next = 0, done = 0; done < requests_.size();) {
      if (InterruptRequested()) return ExitCode::kInterrupted;
      for (; next < requests_.size() && next < done + window; ++next) Submit(place.engine, next);
      for (const TokenEvent& event : place.engine.Step()) {
        const auto index = static_cast<std::size_t>(event.request);
        if (event.error.empty())
          output->Put(event.request, requests_[index], event.embedding);
        else
          output->PutError(event.request, progress.Failed(index, event.error));
        progress.Done(index);
        ++done;
      }
    }
    output->Commit();
    return progress.End();
  }

 private:
  std::int64_t layer() const { return arguments_.options.embed.layer.value_or(spec_.layer_count); }

  void Submit(Engine& engine, std::size_t index) const {
    Request request;
    request.id = static_cast<std::int64_t>(index);
    request.prompt = requests_[index].tokens;
    request.embedding = arguments_.options.embed.pooling;
    try {
      engine.Submit(std::move(request));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", requests_[index].where, error.what()));
    }
  }

  const Arguments& arguments_;
  std::vector<ScoreRequest> requests_;
  JobIdentity identity_;
  ModelSpec spec_;
};

}  // namespace

int RunEmbed(const Arguments& arguments, std::span<const std::string> arguments_given) {
  EmbedJob job(arguments);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
