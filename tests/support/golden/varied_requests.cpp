#include "tests/support/golden/varied_requests.h"

#include <fmt/format.h>

#include <random>

namespace lockstep {
namespace {

std::string Describe(const TokenLogprob& one) {
  std::string text = fmt::format("{}:{:a}", one.token, one.logprob);
  for (const auto& [token, logprob] : one.likeliest)
    text += fmt::format(",{}:{:a}", token, logprob);
  return text + " ";
}

}  // namespace

void Report(const TokenEvent& event, std::string& text) {
  for (const TokenLogprob& one : event.prompt_logprobs) text += Describe(one);
  for (const float value : event.embedding) text += fmt::format("{:a} ", value);
  text += fmt::format("[{}] ", event.token);
  if (event.logprob) text += Describe(*event.logprob);
  text += Name(event.finish);
}

Request VariedRequest(std::int64_t id, const RequestRoom& room) {
  std::minstd_rand random(static_cast<unsigned>(id + 1));
  const auto below = [&](std::int64_t limit) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
  };
  Request request{.id = id, .prompt = {}};
  const bool grows = below(4) == 0;  // from a few tokens to many, more than was reckoned with
  const std::int64_t size = 1 + below(grows ? 4 : room.context - 2),
                     common = below(3) == 0 ? 0 : below(size + 1);
  for (std::int64_t i = 0; i < size; ++i)
    request.prompt.push_back(
        static_cast<std::int32_t>(i < common ? i % room.vocab : below(room.vocab)));
  SamplingParams& params = request.sampling;
  params.max_new_tokens = grows ? 50 : 1 + below(12);
  params.ignore_eos = grows;
  params.temperature = below(2) == 0 ? 0.0 : 0.9;
  params.top_k = below(3) == 0 ? 10 : 0;
  params.stream = static_cast<std::uint64_t>(id);
  if (below(4) == 0) params.repetition_penalty = 1.2;
  if (below(4) == 0) params.min_tokens = below(params.max_new_tokens);
  if (below(2) == 0) request.logprobs = below(4);
  if (below(5) == 0) request.prompt_logprobs = below(3);
  if (request.prompt_logprobs && below(2) == 0) params.max_new_tokens = params.min_tokens = 0;
  if (!request.prompt_logprobs && below(8) == 0)
    request.embedding = below(2) == 0 ? Pooling::kMean : Pooling::kLast;
  if (request.prompt_logprobs && below(2) == 0) request.context_tokens = below(size);
  request.priority = below(3);
  return request;
}

Reports RunAlone(Decoder& decoder, ControlPlane& self, const SoloRuns& runs,
                 const RequestRoom& room) {
  Reports alone;
  for (std::int64_t id = 0; id < runs.count; ++id) {
    Engine engine(decoder, self,
                  {.prefix_cache = PrefixCache::kOff,
                   .end_tokens = {runs.ending},
                   .hidden_layer = runs.hidden_layer});
    engine.Submit(VariedRequest(id, room));
    while (!engine.idle())
      for (const TokenEvent& event : engine.Step()) Report(event, alone[id]);
  }
  return alone;
}

Reports RunTogether(Engine& engine, std::int64_t count, const RequestRoom& room) {
  for (std::int64_t id = 0; id < count; ++id) engine.Submit(VariedRequest(id, room));
  Reports reports;
  while (!engine.idle())
    for (const TokenEvent& event : engine.Step()) Report(event, reports[event.request]);
  return reports;
}

}  // namespace lockstep
