#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/load_model.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// Why a model cannot take the place of one that runs: the first thing in which their shapes differ,
// without naming any file. Empty where it can.
std::string WhyUnlike(const ModelSpec& other, const ModelSpec& running);

// How one rank's weights are exchanged for those of another checkpoint of the same shape, without
// starting anything anew: they are read beside the old ones, and only when every rank has its part
// do all of them switch. Every rank of the group makes the same calls; rank 0's are those of
// serving/weight_exchange.h, and the others learn of them by Obey().
// Not thread-safe: for the thread that owns the decoder.
class OtherWeights {
 public:
  // All stay the caller's and outlive it. model: what `rank` has now. group: the ranks of a copy.
  OtherWeights(const Arguments& arguments, const ModelFiles& model, const ProcessGrid& group,
               LoadedModel& rank);

  // Reads this rank's part of a checkpoint, a name or a folder as for --model. Throws AgreedError
  // on every rank where one of them cannot, BadInput where it is not of the same shape: then
  // nothing has changed. tokenizer: of the model that runs, on rank 0 where there is one; it has to
  // fit both.
  void Read(const std::string& checkpoint, const Tokenizer* tokenizer = nullptr);
  // Goes on with what was read, and lets go of the weights before.
  void Switch();
  // Lets go of what was read.
  void Drop() { read_.reset(); }

  bool has_read() const { return read_.has_value(); }
  // Of the weights in use.
  const ModelFiles& model() const { return model_; }

  // What rank 0 tells the others to do, and their part in it. It is rank 0 that reports an error.
  static std::string WordsToRead(std::string_view checkpoint);
  static std::string WordsToSwitch();
  static std::string WordsToDrop();
  void Obey(std::string_view words);

 private:
  struct ReadModel {
    ModelFiles model;
    WeightsBeside beside;
  };

  ModelFiles Open(const Arguments& arguments, const Tokenizer* tokenizer) const;

  const Arguments& arguments_;
  ModelFiles model_;
  const ProcessGrid grid_;
  LoadedModel& rank_;
  std::optional<ReadModel> read_;
};

}  // namespace lockstep
