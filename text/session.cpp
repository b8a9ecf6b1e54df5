#include "text/session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.h"
#include "engine/sampling/ending.h"
#include "text/beam_request.h"
#include "text/stop_matcher.h"
#include "tokenizer/stream_decoder.h"

namespace lockstep {
namespace {

// Streams of a prompt's samples are so far apart that no input has as many lines.
constexpr std::uint64_t kSampleStream = std::uint64_t{1} << 40;

double MeanLogprob(const TextSample& sample) {
  double sum = 0.0;
  for (const TokenLogprob& one : sample.logprobs) sum += one.logprob;
  return sample.logprobs.empty() ? 0.0 : sum / static_cast<double>(sample.logprobs.size());
}

// A beam that has won, as if it had come at once.
TokenPiece LastPieceOf(const TextSample& sample) {
  return {.text = sample.text,
          .token = sample.tokens.empty() ? 0 : sample.tokens.back(),
          .logprob = nullptr,
          .finish = sample.finish};
}

void KeepLikeliest(std::vector<TextSample>& samples, std::size_t count) {
  std::stable_sort(samples.begin(), samples.end(), [](const TextSample& a, const TextSample& b) {
    return MeanLogprob(a) > MeanLogprob(b);
  });
  samples.resize(count);
}

}  // namespace

// One sample on its way through the engine.
struct TextSession::Sample {
  std::optional<StreamDecoder> decoder;  // of what generates
  StopMatcher matcher;
  TextSample result;
  std::int64_t engine_id = 0;
  bool shows_stop = false;

  Sample(const Tokenizer* tokenizer, const TextRequest& request)
      : matcher(request.stop,
                request.include_stop ? StopMatcher::Show::kAll : StopMatcher::Show::kNothing),
        shows_stop(request.include_stop) {
    if (request.task == Task::kGenerate) decoder.emplace(*tokenizer);
  }

  // Takes one token in; returns the new text to show. Sets result.finish when this ends the text.
  std::string Take(const TokenEvent& event, std::int64_t min_tokens) {
    result.tokens.push_back(event.token);
    if (event.logprob) result.logprobs.push_back(*event.logprob);
    const bool ended = event.finish != FinishReason::kNone;
    const bool has_text =
        event.finish != FinishReason::kEos && (event.finish != FinishReason::kStop || shows_stop);
    std::string text = has_text ? decoder->Push(event.token) : "";
    if (ended) text += decoder->Flush();
    const bool looks = static_cast<std::int64_t>(result.tokens.size()) > min_tokens;
    std::string shown = looks ? matcher.Push(text) : text;
    if (matcher.stopped()) {
      result.finish = FinishReason::kStop;
      result.stop = matcher.found();
    } else if (ended) {
      shown += matcher.Flush();
      result.finish = event.finish;
    }
    result.text += shown;
    return shown;
  }
};

// A request and its samples.
struct TextSession::RequestState {
  std::int64_t n = 1;
  std::int64_t min_tokens = 0;
  bool wants_logprobs = false;
  bool begun = false;
  std::vector<std::unique_ptr<Sample>> samples;
  std::size_t open = 0;
  std::vector<TokenLogprob> prompt_logprobs;
  std::vector<float> embedding;
  std::unique_ptr<BeamRequest> beams;  // instead of samples, in beam search
  std::vector<std::int64_t> beam_ids;  // the engine's, of the open beams
};

TextSession::TextSession(Engine& engine, const Tokenizer* tokenizer, Callbacks callbacks)
    : engine_(engine), tokenizer_(tokenizer), callbacks_(std::move(callbacks)) {
  if (callbacks_.on_begun) engine_.set_on_begun([this](std::int64_t id) { NoteBegun(id); });
}

TextSession::~TextSession() {
  if (callbacks_.on_begun) engine_.set_on_begun({});
}

std::vector<std::int32_t> TextSession::TokensOf(const TextRequest& request) const {
  if (!request.tokens.empty()) return request.tokens;
  LOCKSTEP_CHECK(tokenizer_ != nullptr, "a text without tokens, and no tokenizer");
  return tokenizer_->Encode(request.prompt);
}

void TextSession::Submit(std::int64_t id, const TextRequest& request) {
  ValidateSamples(request, "request");
  if (request.beams.num_beams > 1) return SubmitBeams(id, request);
  Request one = FirstSample(request, TokensOf(request));
  auto state = std::make_unique<RequestState>();
  state->n = request.n;
  state->min_tokens = request.sampling.min_tokens;
  state->wants_logprobs = request.logprobs.has_value();
  state->prompt_logprobs = request.reached.prompt_logprobs;
  if (!state->prompt_logprobs.empty()) one.prompt_logprobs.reset();
  for (std::size_t i = 0; i < static_cast<std::size_t>(SamplesMade(request)); ++i) {
    auto sample = std::make_unique<Sample>(tokenizer_, request);
    sample->engine_id = next_sample_++;
    GoOn(request, one, i, *sample);
    if (sample->result.finish == FinishReason::kNone) {
      one.id = sample->engine_id;
      one.reached = sample->result.tokens;
      engine_.Submit(one);  // refuses the first one or none: what a run has reached fits
      samples_[one.id] = {id, i};
      one.prompt_logprobs.reset();  // the same for all
      ++state->open;
    }
    state->samples.push_back(std::move(sample));
    one.sampling.stream += kSampleStream;
  }
  if (state->open == 0) complete_.push_back(id);
  requests_[id] = std::move(state);
}

// Takes over what a sample had reached. Whether it had ended follows from its tokens.
void TextSession::GoOn(const TextRequest& request, const Request& one, std::size_t index,
                       Sample& sample) const {
  if (index >= request.reached.samples.size()) return;
  const ReachedText::Sample& reached = request.reached.samples[index];
  LOCKSTEP_CHECK(reached.logprobs.size() == (one.logprobs ? reached.tokens.size() : 0),
                 "{} log-probabilities of {} tokens", reached.logprobs.size(),
                 reached.tokens.size());
  const Ending ending(one.sampling, engine_.options().end_tokens);
  const auto most =
      std::min(one.sampling.max_new_tokens, engine_.most_tokens() - std::ssize(one.prompt));
  for (std::size_t i = 0; i < reached.tokens.size(); ++i) {
    TokenEvent event{.token = reached.tokens[i]};
    event.finish = ending.Of(event.token);
    if (event.finish == FinishReason::kNone && static_cast<std::int64_t>(i) + 1 == most)
      event.finish = FinishReason::kLength;
    if (one.logprobs) event.logprob = reached.logprobs[i];
    sample.Take(event, request.sampling.min_tokens);
  }
}

void TextSession::SubmitBeams(std::int64_t id, const TextRequest& request) {
  auto state = std::make_unique<RequestState>();
  state->beams = std::make_unique<BeamRequest>(request, TokensOf(request), engine_);
  Request first = state->beams->FirstRequest();
  first.id = next_sample_;
  engine_.Submit(std::move(first));
  samples_[next_sample_] = {id, 0};
  state->beam_ids = {next_sample_++};
  requests_[id] = std::move(state);
}

// The open beams take the place of those that they continue; beams without a continuation end.
void TextSession::BranchBeams(std::int64_t id, RequestState& state) {
  const std::vector<BeamSearch::Beam>& open = state.beams->open();
  std::vector<std::vector<Engine::Branching>> branches(state.beam_ids.size());
  std::vector<std::int64_t> ids;
  for (const BeamSearch::Beam& beam : open) {
    samples_[next_sample_] = {id, ids.size()};
    branches[beam.parent].push_back({next_sample_, beam.tokens.back()});
    ids.push_back(next_sample_++);
  }
  for (std::size_t i = 0; i < branches.size(); ++i) engine_.Branch(state.beam_ids[i], branches[i]);
  state.beam_ids = std::move(ids);
}

void TextSession::CancelBeams(RequestState& state) {
  for (const std::int64_t beam : state.beam_ids) {
    samples_.erase(beam);
    engine_.Cancel(beam);
  }
}

void TextSession::Cancel(std::int64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  for (const auto& sample : found->second->samples) {
    engine_.Cancel(sample->engine_id);
    samples_.erase(sample->engine_id);
  }
  CancelBeams(*found->second);
  requests_.erase(found);
}

void TextSession::Step() {
  for (const std::int64_t id : std::exchange(complete_, {}))
    if (requests_.contains(id)) FinishRequest(id);
  for (const TokenEvent& event : engine_.Step()) Take(event);
}

// Of all samples and beams of a request the first.
void TextSession::NoteBegun(std::int64_t engine_id) {
  const auto found = samples_.find(engine_id);
  if (found == samples_.end()) return;
  const std::int64_t id = found->second.first;
  if (!std::exchange(requests_.at(id)->begun, true)) callbacks_.on_begun(id);
}

void TextSession::Take(const TokenEvent& event) {
  const auto found = samples_.find(event.request);
  if (found == samples_.end()) return;  // cancelled by a callback of this very step
  const auto [id, index] = found->second;
  if (event.finish == FinishReason::kError) return Fail(id, event.error);
  RequestState& state = *requests_.at(id);
  if (state.beams != nullptr) return TakeBeam(id, index, event);
  Sample& sample = *state.samples[index];
  if (!event.prompt_logprobs.empty()) state.prompt_logprobs = event.prompt_logprobs;
  if (!event.embedding.empty()) state.embedding = event.embedding;
  std::string text;
  if (event.token >= 0) {
    text = sample.Take(event, state.min_tokens);
  } else {
    sample.result.finish = event.finish;
  }
  const FinishReason finish = sample.result.finish;
  const bool ended = finish != FinishReason::kNone;
  if (ended) {
    if (event.finish == FinishReason::kNone) engine_.Cancel(event.request);
    samples_.erase(event.request);
    --state.open;
  }
  if (callbacks_.on_piece && event.token >= 0)
    callbacks_.on_piece(id, index,
                        {.text = text,
                         .token = event.token,
                         .logprob = event.logprob ? &*event.logprob : nullptr,
                         .prompt_logprobs = event.prompt_logprobs,
                         .finish = finish,
                         .stop = sample.result.stop});
  if (ended && requests_.contains(id) && requests_.at(id)->open == 0) FinishRequest(id);
}

// A beam's request is held after its one token, until it is known which beams follow on it.
void TextSession::TakeBeam(std::int64_t id, std::size_t beam, const TokenEvent& event) {
  RequestState& state = *requests_.at(id);
  samples_.erase(event.request);
  if (!state.beams->Take(beam, event)) return;
  if (!state.beams->done()) return BranchBeams(id, state);
  CancelBeams(state);
  TextResult result{.samples = state.beams->Samples(*tokenizer_), .prompt_logprobs = {}};
  requests_.erase(id);
  if (callbacks_.on_piece)
    for (std::size_t i = 0; i < result.samples.size(); ++i)
      callbacks_.on_piece(id, i, LastPieceOf(result.samples[i]));
  if (callbacks_.on_result) callbacks_.on_result(id, std::move(result));
}

// What the other samples have is of no use without this one.
void TextSession::Fail(std::int64_t id, const std::string& error) {
  Cancel(id);
  if (callbacks_.on_result)
    callbacks_.on_result(id, {.samples = {}, .prompt_logprobs = {}, .error = error});
}

void TextSession::FinishRequest(std::int64_t id) {
  const std::unique_ptr<RequestState> state = std::move(requests_.extract(id).mapped());
  TextResult result;
  for (const auto& sample : state->samples) result.samples.push_back(std::move(sample->result));
  if (static_cast<std::int64_t>(result.samples.size()) > state->n)
    KeepLikeliest(result.samples, static_cast<std::size_t>(state->n));
  if (!state->wants_logprobs)
    for (TextSample& sample : result.samples) sample.logprobs.clear();
  result.prompt_logprobs = std::move(state->prompt_logprobs);
  result.embedding = std::move(state->embedding);
  if (callbacks_.on_result) callbacks_.on_result(id, std::move(result));
}

}  // namespace lockstep
