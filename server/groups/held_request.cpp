#include "server/groups/held_request.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace lockstep {

HeldRequest::HeldRequest(TextRequest request, std::shared_ptr<RequestSink> sink)
    : request_(std::move(request)), sink_(std::move(sink)) {}

std::int64_t HeldRequest::sequences() const {
  return std::max(SamplesMade(request_), request_.beams.num_beams);
}

std::int64_t HeldRequest::tokens() const {
  const bool generates = request_.task == Task::kGenerate;
  const std::int64_t made = generates ? sequences() * request_.sampling.max_new_tokens : 0;
  return std::ssize(request_.tokens) + made;
}

std::int64_t HeldRequest::reached_tokens() const {
  std::int64_t tokens = 0;
  for (const ReachedText::Sample& sample : request_.reached.samples)
    tokens += std::ssize(sample.tokens);
  return tokens;
}

void HeldRequest::GiveTo(std::size_t group) {
  group_ = group;
  progressed_ = false;
}

void HeldRequest::Take(const KeptPiece& piece) {
  LOCKSTEP_CHECK(static_cast<std::int64_t>(piece.sample) < sequences(), "sample {}", piece.sample);
  progressed_ = true;
  // A search begins anew, and gives its texts at the end, as one piece each.
  if (request_.beams.num_beams > 1) return;
  ReachedText& reached = request_.reached;
  if (piece.sample >= reached.samples.size()) reached.samples.resize(piece.sample + 1);
  ReachedText::Sample& sample = reached.samples[piece.sample];
  sample.tokens.push_back(piece.token);
  if (piece.logprob) sample.logprobs.push_back(*piece.logprob);
  if (!piece.prompt_logprobs.empty()) reached.prompt_logprobs = piece.prompt_logprobs;
}

}  // namespace lockstep
