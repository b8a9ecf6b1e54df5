#include "runtime/weight_source.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/log.h"
#include "partition/checkpoint/formats/tensor_file.h"
#include "partition/checkpoint/random_weights.h"
#include "partition/checkpoint/tensor_names.h"

namespace lockstep {
namespace {

// Both are [vocab_rows, d_model]; compared in fp32, so many rows at a time.
bool SameMatrix(const Checkpoint& checkpoint, const std::string& a, const std::string& b,
                const ModelSpec& spec) {
  constexpr std::int64_t kRows = 256;
  const Shape shape{spec.vocab_rows, spec.d_model};
  for (std::int64_t row = 0; row < spec.vocab_rows; row += kRows) {
    const Range rows{row, std::min(row + kRows, spec.vocab_rows)};
    const Tensor left = Tensor::OnHost(DType::kF32, {rows.size(), spec.d_model});
    const Tensor right = Tensor::OnHost(DType::kF32, {rows.size(), spec.d_model});
    checkpoint.Read({a, shape, rows, {0, spec.d_model}}, left.view());
    checkpoint.Read({b, shape, rows, {0, spec.d_model}}, right.view());
    if (std::memcmp(left.view().raw(), right.view().raw(), left.view().bytes()) != 0) return false;
  }
  return true;
}

// Blocks that tensors are named after, "gpt_neox.layers.3." or "transformer.h.3.": one more than
// the largest number.
std::int64_t BlockCount(const std::vector<std::string>& names) {
  std::int64_t count = 0;
  for (const std::string& name : names)
    for (const std::string_view part : {"layers.", "h."}) {
      const std::size_t at = name.find(part);
      if (at == name.npos || (at > 0 && name[at - 1] != '.')) continue;
      std::int64_t number = -1;
      std::from_chars(name.data() + at + part.size(), name.data() + name.size(), number);
      count = std::max(count, number + 1);
    }
  return count;
}

}  // namespace

WeightSource::WeightSource(const ModelFiles& model) {
  if (model.random_seed) {
    reader_ = RandomWeights(*model.random_seed);
    return;
  }
  checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::Open(model.folder));
  reader_ = ReaderOf(*checkpoint_, model.spec);
}

void WeightSource::WarnOfTwoTables(const ModelFiles& model) const {
  if (!checkpoint_) return;
  const auto tables = TensorNames(*checkpoint_, model.spec).tied_but_apart();
  if (!tables || SameMatrix(*checkpoint_, tables->embedding, tables->head, model.spec)) return;
  LogWarning(
      "{}: config.json ties the LM head to the embedding, but the file holds {} and another {}; "
      "each "
      "is used as it is; set \"tie_word_embeddings\": false in config.json",
      checkpoint_->where(), Quoted(tables->embedding), Quoted(tables->head));
}

void WeightSource::WarnOfUnusedBlocks(const ModelFiles& model) const {
  if (!checkpoint_) return;
  const std::int64_t count = BlockCount(checkpoint_->names());
  if (count <= model.spec.layer_count) return;
  LogWarning("{}: has the weights of {} layers, but config.json says {}: the others are not used",
             checkpoint_->where(), count, model.spec.layer_count);
}

double WeightSource::bytes_read() const {
  return checkpoint_ ? static_cast<double>(checkpoint_->bytes_read()) : 0.0;
}

}  // namespace lockstep
