#include "server/beam_flight.h"

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

// The first control of sampling that is on, or null.
const char* ControlOf(const SamplingParams& params) {
  const SamplingParams off;
  if (params.temperature != 0.0) return "temperature";
  if (params.repetition_penalty != off.repetition_penalty) return "repetition_penalty";
  if (params.presence_penalty != off.presence_penalty) return "presence_penalty";
  if (params.frequency_penalty != off.frequency_penalty) return "frequency_penalty";
  if (!params.logit_bias.empty()) return "logit_bias";
  if (!params.allowed_tokens.empty()) return "allowed_token_ids";
  if (!params.banned_tokens.empty()) return "banned_token_ids";
  if (params.min_tokens != 0) return "min_tokens";
  return nullptr;
}

}  // namespace

void ValidateBeams(const TextRequest& request, std::string_view where) {
  const std::int64_t beams = request.beams.num_beams;
  Validate(request.beams, where);
  if (beams == 1) return;
  const char* other = ControlOf(request.sampling);
  if (other == nullptr && request.best_of != 0) other = "best_of";
  if (other == nullptr && !request.stop.empty()) other = "stop";
  if (other == nullptr && request.logprobs) other = "logprobs";
  if (other == nullptr && request.prompt_logprobs) other = "prompt_logprobs";
  if (other != nullptr)
    throw BadInput("{}: num_beams is {}, and beam search has no {}; leave one of them out", where,
                   beams, other);
  if (request.n > beams)
    throw BadInput("{}: n is {}; expected at most num_beams, which is {}", where, request.n, beams);
}

BeamFlight::BeamFlight(const TextRequest& request, std::vector<std::int32_t> prompt,
                       const Engine& engine)
    : prompt_(std::move(prompt)),
      priority_(request.priority),
      n_(static_cast<std::size_t>(request.n)),
      ending_(request.sampling, engine.options().end_tokens),
      search_(request.beams, ending_.tokens(), MostNewTokens(request, prompt_.size(), engine)) {}

std::vector<Request> BeamFlight::Requests() const {
  std::vector<Request> requests;
  for (const BeamSearch::Beam& beam : search_.open()) {
    Request& one = requests.emplace_back();
    one.prompt = prompt_;
    one.prompt.insert(one.prompt.end(), beam.tokens.begin(), beam.tokens.end());
    one.sampling.max_new_tokens = 1;
    one.priority = priority_;
    one.logprobs = search_.continuations();
  }
  return requests;
}

bool BeamFlight::Take(std::size_t beam, const TokenEvent& event) {
  LOCKSTEP_CHECK(event.logprob, "a beam's token without log-probabilities");
  answers_.resize(search_.open().size());
  answers_[beam] = event.logprob->likeliest;
  if (++answered_ < answers_.size()) return false;
  search_.Expand(std::exchange(answers_, {}));
  answered_ = 0;
  return true;
}

std::vector<TextSample> BeamFlight::Samples(const Tokenizer& tokenizer) const {
  std::vector<TextSample> samples;
  for (const BeamSearch::Beam& beam : search_.finished()) {
    if (samples.size() == n_) break;
    TextSample& sample = samples.emplace_back();
    sample.tokens = beam.tokens;
    sample.score = beam.score;
    const FinishReason ended = ending_.Of(beam.tokens.back());
    sample.finish = ended == FinishReason::kNone ? FinishReason::kLength : ended;
    StreamDecoder decoder(tokenizer);
    const std::size_t shown = beam.tokens.size() - (sample.finish == FinishReason::kLength ? 0 : 1);
    for (std::size_t i = 0; i < shown; ++i) sample.text += decoder.Push(beam.tokens[i]);
    sample.text += decoder.Flush();
  }
  return samples;
}

}  // namespace lockstep
