#include "server/groups/group_place.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "runtime/options/option_table.h"
#include "runtime/options/words/word_list.h"
#include "runtime/spawn/spawn.h"
#include "runtime/tracing/traced_run.h"

namespace lockstep {

std::string GroupPlace::ToText() const {
  return fmt::format("{} {} {} {} {} {}", socket, ranks, group, groups,
                     dtype.is_auto() ? "auto" : Name(*dtype.format), checkpoint);
}

std::optional<GroupPlace> GroupPlace::FromText(const std::string& text) {
  std::istringstream stream(text);
  GroupPlace place;
  std::string dtype;
  if (!(stream >> place.socket >> place.ranks >> place.group >> place.groups >> dtype))
    return std::nullopt;
  const OptionKey& key = FindOption("model.dtype", kGroupVariable);
  Options options;
  key.set(options, WrittenValue(key, dtype, kGroupVariable));
  place.dtype = options.model.dtype;
  stream.get();
  std::getline(stream, place.checkpoint, '\0');  // may have blanks
  return place;
}

std::optional<GroupPlace> GroupPlace::FromEnvironment() {
  const char* text = std::getenv(kGroupVariable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  std::optional<GroupPlace> place = FromText(text);
  if (!place)
    throw EnvironmentError("{} is \"{}\", which no server has set; unset it", kGroupVariable, text);
  return place;
}

std::vector<std::string> DevicesOfGroups(int groups, int ranks, const char* visible) {
  std::vector<std::string> seen;
  if (visible != nullptr)
    for (const std::string_view one : SplitAt(visible, ',')) seen.emplace_back(one);
  const auto device = [&](int index) {
    const auto at = static_cast<std::size_t>(index);
    return visible == nullptr ? std::to_string(index) : at < seen.size() ? seen[at] : "-1";
  };
  std::vector<std::string> devices;
  for (int group = 0; group < groups; ++group) {
    std::vector<std::string> own;
    for (int rank = 0; rank < ranks; ++rank) own.push_back(device(group * ranks + rank));
    devices.push_back(fmt::format("{}", fmt::join(own, ",")));
  }
  return devices;
}

Arguments ArgumentsOfGroup(const Arguments& arguments, const GroupPlace& place) {
  Arguments own = arguments;
  Options& options = own.options;
  options.parallel.tp = place.ranks;
  options.parallel.dp = 1;
  if (!place.dtype.is_auto()) options.model.dtype = place.dtype;
  if (!place.checkpoint.empty()) options.model.path = place.checkpoint;
  // What is left of a host's memory is shared, and all groups look at it at the same time. GPUs are
  // not.
  const bool on_host = options.parallel.device != DeviceChoice::kCuda;
  if (place.groups > 1 && on_host && !options.engine.memory_fraction)
    options.engine.memory_fraction = 0.5 / place.groups;
  if (place.groups > 1 && !own.trace_file.empty())
    own.trace_file = TraceFileOf(own.trace_file, fmt::format("group{}", place.group));
  return own;
}

}  // namespace lockstep
