#include "text/text_request.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

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

void ValidateBeams(const TextRequest& request, std::string_view where) {
  const std::int64_t beams = request.beams.num_beams;
  Validate(request.beams, where);
  if (beams == 1) return;
  if (const char* other = BeamConflict(request))
    throw BadInput(
        "{}: num_beams is {}, and beam search has no {}; turn that off, or set num_beams to 1",
        where, beams, other);
  if (request.n > beams)
    throw BadInput("{}: n is {}; expected at most num_beams, which is {}", where, request.n, beams);
}

}  // namespace

TokenPiece KeptPiece::View() const {
  return {.text = text,
          .token = token,
          .logprob = logprob ? &*logprob : nullptr,
          .prompt_logprobs = prompt_logprobs,
          .finish = finish,
          .stop = stop};
}

KeptPiece Keep(std::size_t sample, const TokenPiece& piece) {
  KeptPiece kept{.sample = sample,
                 .text = std::string(piece.text),
                 .token = piece.token,
                 .prompt_logprobs = {piece.prompt_logprobs.begin(), piece.prompt_logprobs.end()},
                 .finish = piece.finish,
                 .stop = piece.stop};
  if (piece.logprob != nullptr) kept.logprob = *piece.logprob;
  return kept;
}

std::int64_t SamplesMade(const TextRequest& request) {
  return std::max(request.n, request.best_of);
}

Request FirstSample(const TextRequest& request, std::vector<std::int32_t> tokens) {
  Request one{.prompt = std::move(tokens),
              .priority = request.priority,
              .client = request.client,
              .arrived = request.arrived};
  switch (request.task) {
    case Task::kGenerate:
      one.sampling = request.sampling;
      one.logprobs = request.logprobs;
      one.prompt_logprobs = request.prompt_logprobs;
      // The likeliest samples are to be found.
      if (request.best_of > request.n && !one.logprobs) one.logprobs = 0;
      break;
    case Task::kScore:
      one.sampling.max_new_tokens = 0;
      one.prompt_logprobs = request.prompt_logprobs.value_or(0);
      one.context_tokens = request.context_tokens;
      break;
    case Task::kEmbed: one.embedding = request.pooling; break;
  }
  return one;
}

const char* BeamConflict(const TextRequest& request) {
  if (const char* control = ControlOf(request.sampling)) return control;
  if (request.best_of != 0) return "best_of";
  if (!request.stop.empty()) return "stop";
  if (request.logprobs) return "logprobs";
  return request.prompt_logprobs ? "prompt_logprobs" : nullptr;
}

void ValidateSamples(const TextRequest& request, std::string_view where) {
  if (request.n < 1 || request.n > kMostSamples)
    throw BadInput("{}: n is {}; expected 1 to {}", where, request.n, kMostSamples);
  if (request.best_of != 0 && (request.best_of < request.n || request.best_of > kMostSamples))
    throw BadInput("{}: best_of is {}; expected n, which is {}, to {}, or 0", where,
                   request.best_of, request.n, kMostSamples);
  ValidateBeams(request, where);
  const bool searches = request.beams.num_beams > 1;
  if (!searches && SamplesMade(request) > 1 && request.sampling.temperature == 0.0)
    throw BadInput(
        "{}: {} samples at temperature 0 would all be the same; ask for one, or give a "
        "temperature above 0, such as 0.8",
        where, SamplesMade(request));
}

}  // namespace lockstep
