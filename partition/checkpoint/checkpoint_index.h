#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace lockstep {

// An index file of a checkpoint in several files: {"weight_map": {tensor: shard file}}.
struct CheckpointIndex {
  std::map<std::string, std::string> shard_of;  // tensor name to file name
  std::set<std::string> shards;                 // every file name, once
};

// Parses model.safetensors.index.json or pytorch_model.bin.index.json. Shard names must be plain
// file names: an index from elsewhere must not reach outside the model's folder.
//   where  the index file's name, for messages
// Throws BadInput.
CheckpointIndex ParseCheckpointIndex(std::string_view text, std::string_view where);

// Throws BadInput that names the shard, the index and the remedy when a shard is not in the
// index's folder.
void RequireShards(const CheckpointIndex& index, const std::filesystem::path& index_path);

}  // namespace lockstep
