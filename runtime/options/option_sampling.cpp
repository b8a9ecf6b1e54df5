#include "runtime/options/option_keys.h"
#include "runtime/options/option_types.h"
#include "text/text_request.h"

namespace lockstep {
namespace {

void AddLengthKeys(std::vector<OptionKey>& table) {
  table.push_back(ModelKey(
      "sampling.max_new_tokens", "most tokens to generate", IntegerType{1, IntegerType::kEndless},
      [](auto& o) -> auto& { return o.sampling.params.max_new_tokens; }));
  table.push_back(ModelKey(
      "sampling.min_tokens", "fewest tokens to generate", IntegerType{0, IntegerType::kEndless},
      [](auto& o) -> auto& { return o.sampling.params.min_tokens; }));
  table.push_back(ModelKey(
      "sampling.stop", "ends the text before the first occurrence of this", TextListType{},
      [](auto& o) -> auto& { return o.sampling.stop; }));
  table.push_back(Key(
      "sampling.ignore_eos", "goes on past the model's end tokens", FlagType{},
      [](auto& o) -> auto& { return o.sampling.params.ignore_eos; }));
}

void AddChoiceKeys(std::vector<OptionKey>& table) {
  table.push_back(ModelKey(
      "sampling.temperature",
      "randomness: 0 takes the most likely token always, 1 samples as the model predicts",
      NumberType{kLeastTemperature, kMostTemperature, NumberType::Zero::kToo},
      [](auto& o) -> auto& { return o.sampling.params.temperature; }));
  table.push_back(ModelKey(
      "sampling.top_k", "chooses among the K most likely tokens; 0: all",
      IntegerType{0, IntegerType::kEndless},
      [](auto& o) -> auto& { return o.sampling.params.top_k; }));
  table.push_back(ModelKey(
      "sampling.top_p", "chooses among the likeliest tokens that together have this probability",
      NumberType{kLeastTopP, 1.0}, [](auto& o) -> auto& { return o.sampling.params.top_p; }));
  table.push_back(ModelKey(
      "sampling.min_p", "drops tokens less likely than this fraction of the likeliest; 0: none",
      NumberType{0.0, 1.0}, [](auto& o) -> auto& { return o.sampling.params.min_p; }));
  table.push_back(ModelKey(
      "sampling.repetition_penalty",
      "divides the logits of tokens that the text has already; 1: off",
      NumberType{kLeastRepetition, kMostRepetition},
      [](auto& o) -> auto& { return o.sampling.params.repetition_penalty; }));
  table.push_back(Key(
      "sampling.presence_penalty",
      "subtracted from the logits of tokens that were generated; 0: off", NumberType{-2.0, 2.0},
      [](auto& o) -> auto& { return o.sampling.params.presence_penalty; }));
  table.push_back(Key(
      "sampling.frequency_penalty",
      "subtracted from a token's logits for each time it was generated; 0: off",
      NumberType{-2.0, 2.0}, [](auto& o) -> auto& { return o.sampling.params.frequency_penalty; }));
  table.push_back(Key(
      "sampling.seed", "seed of the random numbers; the same seed gives the same text", SeedType{},
      [](auto& o) -> auto& { return o.sampling.params.seed; }));
}

void AddSampleKeys(std::vector<OptionKey>& table) {
  table.push_back(Key(
      "sampling.n", "samples of each text", IntegerType{1, kMostSamples},
      [](auto& o) -> auto& { return o.sampling.n; }));
  table.push_back(Key(
      "sampling.best_of", "makes so many samples and keeps the likeliest n; 0: n",
      IntegerType{0, kMostSamples}, [](auto& o) -> auto& { return o.sampling.best_of; }));
  table.push_back(ModelKey(
      "sampling.num_beams", "beams of beam search; 1: no beam search", IntegerType{1, kMostBeams},
      [](auto& o) -> auto& { return o.sampling.beams.num_beams; }));
  table.push_back(ModelKey(
      "sampling.length_penalty", "length penalty of beam search; above 0 favours long texts",
      NumberType{-kMostLengthPenalty, kMostLengthPenalty},
      [](auto& o) -> auto& { return o.sampling.beams.length_penalty; }));
  const ChoiceType<EarlyStopping> stops{{{"false", EarlyStopping::kFalse},
                                         {"true", EarlyStopping::kTrue},
                                         {"never", EarlyStopping::kNever}}};
  table.push_back(ModelKey(
      "sampling.early_stopping", "when beam search ends, as in transformers", stops,
      [](auto& o) -> auto& { return o.sampling.beams.early_stopping; }));
  table.push_back(Key(
      "sampling.logprobs", {"gives log-probabilities, and those of the K likeliest tokens", "none"},
      IntegerType{0, 1 << 20}, [](auto& o) -> auto& { return o.sampling.logprobs; }));
}

}  // namespace

void AddSamplingKeys(std::vector<OptionKey>& table) {
  AddLengthKeys(table);
  AddChoiceKeys(table);
  AddSampleKeys(table);
}

}  // namespace lockstep
