#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "partition/checkpoint/checkpoint.h"
#include "partition/model/architecture.h"
#include "partition/model/model_spec.h"

namespace lockstep {

// Under which names a checkpoint keeps what a shard plan asks for. A checkpoint of a model without
// a head leaves out the name of the model's body ("gpt_neox.", "transformer."), tools that wrapped
// the model put their own before everything ("module."), and the LM head has two names.
//
// Of a model whose embeddings are tied the LM head and the embedding are read from whichever of the
// two the file holds; where it holds both, each is its own, as transformers has it.
class TensorNames {
 public:
  // Throws BadInput where the checkpoint is of a kind that cannot be run: quantised weights, or
  // parts of an adapter.
  TensorNames(const Checkpoint& checkpoint, const ModelSpec& spec);

  // The checkpoint's name of what the plan calls `planned`. Where neither has it that name comes
  // back, and reading it tells what is missing. Empty for the bias of a tied LM head that the
  // checkpoint does not hold: it is zero.
  // Throws BadInput for an LM head that the checkpoint does not hold.
  std::string Of(const std::string& planned) const;

  // Both the embedding and an LM head of its own, though the configuration says that they are tied.
  struct TwoTables {
    std::string embedding;
    std::string head;
  };
  std::optional<TwoTables> tied_but_apart() const;

 private:
  std::string Body(std::string_view planned) const;
  std::string Head() const;
  std::string HeadWeight() const;
  bool Has(const std::string& name) const;

  const Checkpoint& checkpoint_;
  const Architecture& architecture_;
  bool tied_;
  std::string before_;  // what wrappers put before every name
  std::string body_;    // the same with the name of the body, where the checkpoint has it
};

}  // namespace lockstep
