#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/decoding/beam_search.h"
#include "engine/engine.h"
#include "engine/sampling/ending.h"
#include "text/text_request.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// A beam search on its way through the engine. Every open beam is a request for one token, whose
// likeliest continuations the engine reports; the beams that follow on it are its branches.
// Not thread-safe: the session's thread.
class BeamRequest {
 public:
  BeamRequest(const TextRequest& request, std::vector<std::int32_t> prompt, const Engine& engine);

  // That of the first beam, without an id.
  Request FirstRequest() const;
  // How the open beams follow on those before: whose branches they are, in their order.
  const std::vector<BeamSearch::Beam>& open() const { return search_.open(); }
  // Takes the answer for one of them. Whether it was the last one.
  bool Take(std::size_t beam, const TokenEvent& event);
  bool done() const { return search_.done(); }
  // The n best.
  std::vector<TextSample> Samples(const Tokenizer& tokenizer) const;

 private:
  std::vector<std::int32_t> prompt_;
  std::int64_t priority_;
  std::size_t n_;
  bool include_stop_;
  Ending ending_;
  std::int64_t sampled_vocab_;
  BeamSearch search_;
  std::vector<BeamSearch::Continuations> answers_;
  std::size_t answered_ = 0;
};

}  // namespace lockstep
