#include "launcher/commands/weight_source.h"

#include "partition/random_weights.h"

namespace lockstep {

WeightSource::WeightSource(const ModelFiles& model) {
  if (model.random_seed) {
    reader_ = RandomWeights(*model.random_seed);
    return;
  }
  checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::Open(model.folder));
  reader_ = ReaderOf(*checkpoint_, model.spec.family);
}

double WeightSource::bytes_read() const {
  return checkpoint_ ? static_cast<double>(checkpoint_->bytes_read()) : 0.0;
}

}  // namespace lockstep
