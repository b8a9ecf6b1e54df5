#include "serving/weight_exchange.h"

#include "core/error.h"

namespace lockstep {

void WeightExchange::Read(const std::string& checkpoint) {
  engine_.Together(OtherWeights::WordsToRead(checkpoint),
                   [&] { others_.Read(checkpoint, tokenizer_); });
}

void WeightExchange::Switch() {
  LOCKSTEP_CHECK(engine_.idle() && others_.has_read(),
                 "weights are exchanged in the midst of work");
  engine_.Together(OtherWeights::WordsToSwitch(), [&] { others_.Switch(); });
  engine_.Renew(engine_.options().sampled_vocab, others_.model().generation.end_tokens);
}

void WeightExchange::Drop() {
  if (!others_.has_read()) return;
  engine_.Together(OtherWeights::WordsToDrop(), [&] { others_.Drop(); });
}

}  // namespace lockstep
