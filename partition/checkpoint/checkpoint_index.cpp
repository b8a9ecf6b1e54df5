#include "partition/checkpoint/checkpoint_index.h"

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {
namespace {

std::string ShardName(const std::string& tensor, const Json& value, std::string_view where) {
  std::string shard = value.is_string() ? value.get<std::string>() : "";
  const bool plain = !shard.empty() && shard != "." && shard != ".." &&
                     shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain)
    throw BadInput(
        "{}: tensor {} is said to lie in {}; expected the name of a file in the same "
        "folder; download the model again",
        where, Quoted(tensor), Quoted(DumpJson(value)));
  return shard;
}

}  // namespace

CheckpointIndex ParseCheckpointIndex(std::string_view text, std::string_view where) {
  const Json json = ParseJson(text, where);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (map == json.end() || !map->is_object() || map->empty())
    throw BadInput(
        "{}: has no \"weight_map\" from tensor names to files; expected the index of a "
        "Hugging Face checkpoint; download it again",
        where);
  CheckpointIndex index;
  for (const auto& [tensor, value] : map->items()) {
    std::string shard = ShardName(tensor, value, where);
    index.shards.insert(shard);
    index.shard_of.emplace(tensor, std::move(shard));
  }
  return index;
}

void RequireShards(const CheckpointIndex& index, const std::filesystem::path& index_path) {
  for (const std::string& shard : index.shards) {
    const auto path = index_path.parent_path() / shard;
    if (!FileExists(path))
      throw BadInput(
          "{}: the shard is missing, but {} names it ({} shards in all); the download is "
          "incomplete: download the model again",
          path.string(), index_path.filename().string(), index.shards.size());
  }
}

}  // namespace lockstep
