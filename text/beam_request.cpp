#include "text/beam_request.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "tokenizer/stream_decoder.h"

namespace lockstep {
namespace {

std::int64_t MostNewTokens(const TextRequest& request, std::size_t prompt, const Engine& engine) {
  const std::int64_t room = engine.most_tokens() - static_cast<std::int64_t>(prompt);
  return std::max<std::int64_t>(1, std::min(request.sampling.max_new_tokens, room));
}

}  // namespace

BeamRequest::BeamRequest(const TextRequest& request, std::vector<std::int32_t> prompt,
                         const Engine& engine)
    : prompt_(std::move(prompt)),
      priority_(request.priority),
      n_(static_cast<std::size_t>(request.n)),
      include_stop_(request.include_stop),
      ending_(request.sampling, engine.options().end_tokens),
      sampled_vocab_(engine.options().sampled_vocab),
      search_(request.beams, ending_.tokens(), MostNewTokens(request, prompt_.size(), engine)) {
  CheckLengthPenalty(request.beams, MostNewTokens(request, prompt_.size(), engine), "request");
}

Request BeamRequest::FirstRequest() const {
  Request request;
  request.prompt = prompt_;
  request.sampling.max_new_tokens = 1;
  request.priority = priority_;
  request.logprobs = std::min(search_.continuations(), sampled_vocab_);
  request.branches = true;
  return request;
}

bool BeamRequest::Take(std::size_t beam, const TokenEvent& event) {
  LOCKSTEP_CHECK(event.logprob, "a beam's token without log-probabilities");
  answers_.resize(search_.open().size());
  answers_[beam] = event.logprob->likeliest;
  if (++answered_ < answers_.size()) return false;
  search_.Expand(std::exchange(answers_, {}));
  answered_ = 0;
  return true;
}

std::vector<TextSample> BeamRequest::Samples(const Tokenizer& tokenizer) const {
  std::vector<TextSample> samples;
  for (const BeamSearch::Beam& beam : search_.finished()) {
    if (samples.size() == n_) break;
    TextSample& sample = samples.emplace_back();
    sample.tokens = beam.tokens;
    sample.score = beam.score;
    const FinishReason ended = ending_.Of(beam.tokens.back());
    sample.finish = ended == FinishReason::kNone ? FinishReason::kLength : ended;
    StreamDecoder decoder(tokenizer);
    const bool shows_last = sample.finish == FinishReason::kLength ||
                            (sample.finish == FinishReason::kStop && include_stop_);
    const std::size_t shown = beam.tokens.size() - (shows_last ? 0 : 1);
    for (std::size_t i = 0; i < shown; ++i) sample.text += decoder.Push(beam.tokens[i]);
    sample.text += decoder.Flush();
  }
  return samples;
}

}  // namespace lockstep
