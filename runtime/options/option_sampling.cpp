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
      "sampling.min_tokens", "no text ends before it has so many tokens",
      IntegerType{0, IntegerType::kEndless},
      [](auto& o) -> auto& { return o.sampling.params.min_tokens; }));
  table.push_back(ModelKey(
      "sampling.stop", "the text ends before the first of these", TextListType{},
      [](auto& o) -> auto& { return o.sampling.stop; }));
  table.push_back(Key(
      "sampling.ignore_eos", "go on past the model's end tokens", FlagType{},
      [](auto& o) -> auto& { return o.sampling.params.ignore_eos; }));
}

void AddChoiceKeys(std::vector<OptionKey>& table) {
  table.push_back(ModelKey(
      "sampling.temperature", "0 takes the most likely token always",
      NumberType{kLeastTemperature, kMostTemperature, NumberType::Zero::kToo},
      [](auto& o) -> auto& { return o.sampling.params.temperature; }));
  table.push_back(ModelKey(
      "sampling.top_k", "choose among the k most likely tokens; 0: all",
      IntegerType{0, IntegerType::kEndless},
      [](auto& o) -> auto& { return o.sampling.params.top_k; }));
  table.push_back(ModelKey(
      "sampling.top_p", "choose among the likeliest that hold this probability",
      NumberType{kLeastTopP, 1.0}, [](auto& o) -> auto& { return o.sampling.params.top_p; }));
  table.push_back(ModelKey(
      "sampling.min_p", "drop tokens less likely than this part of the likeliest; 0: none",
      NumberType{0.0, 1.0}, [](auto& o) -> auto& { return o.sampling.params.min_p; }));
  table.push_back(ModelKey(
      "sampling.repetition_penalty", "divides the logits of tokens that were there; 1: off",
      NumberType{kLeastRepetition, kMostRepetition},
      [](auto& o) -> auto& { return o.sampling.params.repetition_penalty; }));
  table.push_back(Key(
      "sampling.presence_penalty", "lowers the logits of tokens that were generated; 0: off",
      NumberType{-2.0, 2.0}, [](auto& o) -> auto& { return o.sampling.params.presence_penalty; }));
  table.push_back(Key(
      "sampling.frequency_penalty", "the same for each time they were; 0: off",
      NumberType{-2.0, 2.0}, [](auto& o) -> auto& { return o.sampling.params.frequency_penalty; }));
  table.push_back(Key(
      "sampling.seed", "of the random numbers; the same seed, the same text", SeedType{},
      [](auto& o) -> auto& { return o.sampling.params.seed; }));
}

void AddSampleKeys(std::vector<OptionKey>& table) {
  table.push_back(Key(
      "sampling.n", "samples of each text of --input", IntegerType{1, kMostSamples},
      [](auto& o) -> auto& { return o.sampling.n; }));
  table.push_back(Key(
      "sampling.best_of", "make so many samples and keep the likeliest n; 0: n",
      IntegerType{0, kMostSamples}, [](auto& o) -> auto& { return o.sampling.best_of; }));
  table.push_back(ModelKey(
      "sampling.num_beams", "search with so many beams; 1: no beam search",
      IntegerType{1, kMostBeams}, [](auto& o) -> auto& { return o.sampling.beams.num_beams; }));
  table.push_back(ModelKey(
      "sampling.length_penalty", "of beam search; above 0 favours long texts",
      NumberType{-kMostLengthPenalty, kMostLengthPenalty},
      [](auto& o) -> auto& { return o.sampling.beams.length_penalty; }));
  const ChoiceType<EarlyStopping> stops{{{"false", EarlyStopping::kFalse},
                                         {"true", EarlyStopping::kTrue},
                                         {"never", EarlyStopping::kNever}}};
  table.push_back(ModelKey(
      "sampling.early_stopping", "when beam search ends, as in transformers", stops,
      [](auto& o) -> auto& { return o.sampling.beams.early_stopping; }));
  table.push_back(Key(
      "sampling.logprobs",
      "give log-probabilities, and so many of the likeliest tokens; null: none",
      IntegerType{0, 1 << 20}, [](auto& o) -> auto& { return o.sampling.logprobs; }));
}

}  // namespace

void AddSamplingKeys(std::vector<OptionKey>& table) {
  AddLengthKeys(table);
  AddChoiceKeys(table);
  AddSampleKeys(table);
}

}  // namespace lockstep
