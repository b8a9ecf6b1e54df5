#include "runtime/other_weights.h"

#include <utility>

#include "core/error.h"
#include "runtime/rank_alike.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

constexpr std::string_view kRead = "read ";
constexpr std::string_view kSwitch = "switch";
constexpr std::string_view kDrop = "drop";

}  // namespace

std::string WhyUnlike(const ModelSpec& other, const ModelSpec& running) {
  const RankFacts theirs = FactsOf(other), ours = FactsOf(running);
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (theirs[i].value != ours[i].value)
      return fmt::format("{} is {}, that of the weights in use {}; expected the same shape",
                         theirs[i].key, theirs[i].value, ours[i].value);
  // No fact is missing above, but a new field of the shape might be.
  return other == running ? "" : "the model's shape is not that of the weights in use";
}

OtherWeights::OtherWeights(const Arguments& arguments, const ModelFiles& model,
                           const ProcessGrid& group, LoadedModel& rank)
    : arguments_(arguments), model_(model), grid_(group), rank_(rank) {}

ModelFiles OtherWeights::Open(const Arguments& arguments, const Tokenizer* tokenizer) const {
  ModelFiles model = OpenModel(arguments.options);
  model.format = model_.format;
  const std::string& name = arguments.options.model.path;
  if (const std::string why = WhyUnlike(model.spec, model_.spec); !why.empty())
    throw BadInput("model {}: {}; start with --model {}", name, why, name);
  if (tokenizer != nullptr &&
      OpenTokenizer(arguments.options, model).fingerprint() != tokenizer->fingerprint())
    throw BadInput(
        "model {}: its tokenizer makes other tokens than that of the weights in use; start with "
        "--model {}, or set model.tokenizer to the one that both are to use",
        name, name);
  return model;
}

void OtherWeights::Read(const std::string& checkpoint, const Tokenizer* tokenizer) {
  Drop();
  Arguments arguments = arguments_;
  arguments.options.model.path = checkpoint;
  ModelFiles model;
  Agree(grid_.world(), "opening another checkpoint", [&] { model = Open(arguments, tokenizer); });
  CompareModels(arguments, model, grid_);
  WeightsBeside beside = LoadWeightsBeside(arguments, model, grid_, rank_);
  read_.emplace(ReadModel{std::move(model), std::move(beside)});
}

void OtherWeights::Switch() {
  LOCKSTEP_CHECK(read_, "a switch to weights that were not read");
  rank_.decoder->ExchangeWeights(std::move(read_->beside.weights));
  rank_.read_bytes = read_->beside.read_bytes;
  model_ = std::move(read_->model);
  Drop();
}

std::string OtherWeights::WordsToRead(std::string_view checkpoint) {
  return std::string(kRead).append(checkpoint);
}
std::string OtherWeights::WordsToSwitch() { return std::string(kSwitch); }
std::string OtherWeights::WordsToDrop() { return std::string(kDrop); }

void OtherWeights::Obey(std::string_view words) {
  if (words == kSwitch) return Switch();
  if (words == kDrop) return Drop();
  LOCKSTEP_CHECK(words.starts_with(kRead), "an order to \"{}\"", words);
  try {
    Read(std::string(words.substr(kRead.size())));
  } catch (const AgreedError&) {
    return;  // all know
  }
}

}  // namespace lockstep
