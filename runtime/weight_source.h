#pragma once

#include <memory>

#include "partition/checkpoint/checkpoint.h"
#include "partition/checkpoint/slice_reader.h"
#include "runtime/model_files.h"

namespace lockstep {

// Where a model's weights come from: its checkpoint, or nowhere when they are random.
class WeightSource {
 public:
  // Opens the checkpoint and reads no weights. Throws BadInput or EnvironmentError.
  explicit WeightSource(const ModelFiles& model);

  // Valid as long as this object.
  const SliceReader& reader() const { return reader_; }

  // Says so when the configuration ties the LM head to the embedding and the file holds two
  // different matrices; each counts as it is then, as in transformers. Reads both to their first
  // difference.
  void WarnOfTwoTables(const ModelFiles& model) const;

  // Says so when the checkpoint has more blocks than the configuration: they are not used.
  void WarnOfUnusedBlocks(const ModelFiles& model) const;

  // Of the checkpoint, so far; 0 for random weights.
  double bytes_read() const;

 private:
  std::unique_ptr<Checkpoint> checkpoint_;  // the reader refers to it
  SliceReader reader_;
};

}  // namespace lockstep
