#include "runtime/options/yaml/config_yaml.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/file.h"
#include "core/files/shipped_files.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/yaml/yaml_tree.h"

namespace lockstep {
namespace {

constexpr const char* kShippedConfigs = "configs";

bool IsScalar(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kPlain || node.kind == YamlNode::Kind::kQuoted;
}

std::string Place(std::string_view where, const YamlNode& node) {
  return fmt::format("{}:{}:{}", where, node.line, node.column);
}

ConfigValue ToValue(const YamlNode& node, const std::string& name) {
  ConfigValue value;
  value.name = name;
  value.text = node.text;
  switch (node.kind) {
    case YamlNode::Kind::kNull: value.kind = ConfigValue::Kind::kNull; break;
    case YamlNode::Kind::kQuoted: value.kind = ConfigValue::Kind::kQuoted; break;
    case YamlNode::Kind::kPlain: value.kind = ConfigValue::Kind::kPlain; break;
    case YamlNode::Kind::kList: value.kind = ConfigValue::Kind::kList; break;
    case YamlNode::Kind::kMap: LOCKSTEP_CHECK(false, "a map is no value");
  }
  for (const YamlNode& item : node.items) {
    if (!IsScalar(item))
      throw BadInput("{} holds {}; expected a list of single values", name, Name(item.kind));
    value.items.push_back(item.text);
  }
  return value;
}

class YamlReader {
 public:
  YamlReader(Options& options, std::string_view where) : options_(options), where_(where) {}

  // Everything below `section`, which is "" or "model" or "model.shape".
  void ReadSection(const YamlNode& map, const std::string& section) {
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const YamlNode& name = map.keys[i];
      const YamlNode& value = map.items[i];
      const std::string path = Path(section, name);
      const bool opens = IsSection(path);
      const OptionKey* key = opens ? nullptr : &FindOption(path, Place(where_, name));
      if (!seen_.insert(opens ? path : key->path).second)
        throw BadInput("{}: {} is given twice; keep one", Place(where_, name), path);
      if (opens) {
        OpenSection(path, value);
      } else {
        SetKey(*key, value);
      }
    }
  }

 private:
  std::string Path(const std::string& section, const YamlNode& name) const {
    if (!IsScalar(name))
      throw BadInput("{}: a key is {}; expected a name", Place(where_, name), Name(name.kind));
    return section.empty() ? name.text : section + "." + name.text;
  }

  void OpenSection(const std::string& path, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::kMap) return ReadSection(value, path);
    if (value.kind == YamlNode::Kind::kNull) return;  // "sampling:" with all its keys commented out
    throw BadInput("{}: {} is {}; expected a section with keys of its own", Place(where_, value),
                   path, Name(value.kind));
  }

  void SetKey(const OptionKey& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::kMap)
      throw BadInput("{}: {} is a map; expected {}", Place(where_, value), key.path, key.expected);
    key.set(options_, ToValue(value, fmt::format("{}: {}", Place(where_, value), key.path)));
  }

  Options& options_;
  std::string_view where_;
  std::set<std::string> seen_;
};

// "aphra-6b", ...: the configurations that come with the program.
std::vector<std::string> ShippedConfigs() {
  std::vector<std::string> names;
  for (const std::filesystem::path file : ShippedNames(kShippedConfigs))
    if (file.extension() == ".yaml") names.push_back(file.stem().string());
  return names;
}

// The file that is there under this name; else the configuration of that name that comes with the
// program.
std::filesystem::path FindConfig(const std::filesystem::path& file) {
  if (file.has_parent_path() || FileExists(file)) return file;
  const std::vector<std::string> names = ShippedConfigs();
  const std::string name = file.extension() == ".yaml" ? file.stem().string() : file.string();
  if (std::ranges::find(names, name) != names.end())
    return *FindShipped(std::filesystem::path(kShippedConfigs) / (name + ".yaml"));
  if (names.empty())
    return file;  // a program without them: reading the file says that it is missing
  throw BadInput(
      "{}: no such file, and no configuration of that name comes with lockstep; the nearest that "
      "does is {}",
      file.string(), NearestName(name, names));
}

// Where a path written in a configuration leads: from the working directory, as everything on a
// command line does, or else from the configuration itself, so that it can be used from anywhere.
void ResolveBeside(std::string& path, const std::filesystem::path& file) {
  std::error_code ignored;
  if (path.empty() || std::filesystem::exists(path, ignored)) return;
  const auto beside = (file.parent_path() / path).lexically_normal();
  if (std::filesystem::exists(beside, ignored)) path = beside.string();
}

}  // namespace

void ApplyYaml(Options& options, std::string_view text, std::string_view where) {
  const YamlNode root = ParseYaml(text, where);
  if (root.kind == YamlNode::Kind::kNull) return;
  if (root.kind != YamlNode::Kind::kMap)
    throw BadInput("{}: is {}; expected sections such as \"model:\"", Place(where, root),
                   Name(root.kind));
  YamlReader(options, where).ReadSection(root, "");
}

void ApplyConfigFile(Options& options, const std::filesystem::path& named) {
  const std::filesystem::path file = FindConfig(named);
  ApplyYaml(options, ReadStream(file), file.string());
  ResolveBeside(options.model.path, file);
  ResolveBeside(options.model.tokenizer, file);
  std::string& generation = options.model.generation_config;
  if (generation != "auto" && generation != "none") ResolveBeside(generation, file);
}

ConfigValue ParseYamlList(std::string_view text, std::string_view where) {
  const YamlNode node = ParseYaml(text, where);
  if (node.kind != YamlNode::Kind::kList)
    throw BadInput("{}: is {}; expected a list", where, Name(node.kind));
  return ToValue(node, std::string(where));
}

}  // namespace lockstep
