#include "api/openai/sampling_defaults.h"

namespace lockstep {

Json SamplingDefaults(const RequestRules& rules) {
  const CompletionRequest request = ParseCompletion(R"({"prompt": [0]})", rules);
  const TextRequest& one = request.prompts.front().request;
  const SamplingParams& sampling = one.sampling;
  return {{"max_tokens", sampling.max_new_tokens},
          {"temperature", sampling.temperature},
          {"top_p", sampling.top_p},
          {"top_k", sampling.top_k},
          {"min_p", sampling.min_p},
          {"repetition_penalty", sampling.repetition_penalty},
          {"presence_penalty", sampling.presence_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"min_tokens", sampling.min_tokens},
          {"ignore_eos", sampling.ignore_eos},
          {"stop", one.stop},
          {"n", one.n}};
}

}  // namespace lockstep
