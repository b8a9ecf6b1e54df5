#include "planning/machine/machine_yaml.h"

#include <set>

#include "core/error.h"
#include "planning/machine/machine_keys.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/yaml/yaml_tree.h"

namespace lockstep {
namespace {

bool IsScalar(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kPlain || node.kind == YamlNode::Kind::kQuoted;
}

bool IsSection(const std::string& path) {
  for (const MachineKey& key : MachineKeys())
    if (key.path.starts_with(path + ".")) return true;
  return false;
}

std::vector<std::string> KeysAndSections() {
  std::vector<std::string> names;
  for (const MachineKey& key : MachineKeys()) {
    names.push_back(key.path);
    for (auto dot = key.path.find('.'); dot != std::string::npos; dot = key.path.find('.', dot + 1))
      names.push_back(key.path.substr(0, dot));
  }
  return names;
}

class Reader {
 public:
  explicit Reader(std::string_view where) : where_(where) {}

  Machine Read(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::kMap)
      throw BadInput("{}: is {}; expected keys such as \"memory:\"", Place(root), Name(root.kind));
    ReadSection(root, "");
    CheckKeys();
    CheckLinks();
    return std::move(machine_);
  }

 private:
  std::string Place(const YamlNode& node) const {
    return fmt::format("{}:{}:{}", where_, node.line, node.column);
  }

  void ReadSection(const YamlNode& map, const std::string& section) {
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const YamlNode& name = map.keys[i];
      if (!IsScalar(name))
        throw BadInput("{}: a key is {}; expected a name", Place(name), Name(name.kind));
      const std::string path = section.empty() ? name.text : section + "." + name.text;
      if (!seen_.insert(path).second)
        throw BadInput("{}: {} is given twice; keep one", Place(name), path);
      if (!IsSection(path)) {
        SetKey(path, name, map.items[i]);
      } else if (map.items[i].kind == YamlNode::Kind::kMap) {
        ReadSection(map.items[i], path);
      } else {
        throw BadInput("{}: {} is {}; expected a section with keys of its own", Place(map.items[i]),
                       path, Name(map.items[i].kind));
      }
    }
  }

  void SetKey(const std::string& path, const YamlNode& name, const YamlNode& value) {
    for (const MachineKey& key : MachineKeys()) {
      if (key.path != path) continue;
      if (value.kind != YamlNode::Kind::kNull && !IsScalar(value))
        throw BadInput("{}: {} is {}; expected {}", Place(value), path, Name(value.kind),
                       key.expected);
      const ConfigValue::Kind kind = value.kind == YamlNode::Kind::kNull ? ConfigValue::Kind::kNull
                                     : value.kind == YamlNode::Kind::kQuoted
                                         ? ConfigValue::Kind::kQuoted
                                         : ConfigValue::Kind::kPlain;
      key.set(machine_, {kind, value.text, {}, fmt::format("{}: {}", Place(value), path)});
      return;
    }
    throw BadInput("{}: unknown key {}; the nearest known one is {}", Place(name), path,
                   NearestName(path, KeysAndSections()));
  }

  void CheckKeys() const {
    for (const MachineKey& key : MachineKeys()) {
      const bool given = seen_.contains(key.path);
      if (given && !key.belongs_to(machine_.kind))
        throw BadInput(
            "{}: {} is given, which a machine of the kind {} does not have; leave it out", where_,
            key.path, machine_.kind == MachineKind::kCpu ? "cpu" : "gpu");
      if (!given && key.required && key.belongs_to(machine_.kind))
        throw BadInput("{}: {} is missing; expected {}: {}", where_, key.path, key.expected,
                       key.help);
    }
  }

  void CheckLinks() const {
    const bool cpu = machine_.kind == MachineKind::kCpu;
    Need("cores", cpu && machine_.cores > 1, "a socket has several cores");
    Need("sockets", cpu && machine_.sockets > 1, "a node has several sockets");
    Need("nvlink", !cpu && machine_.gpus > 1, "a node has several GPUs");
    Need("host", false, "");
    Need("network", machine_.nodes > 1, "there are several nodes");
  }

  void Need(const std::string& link, bool needed, std::string_view why) const {
    const bool any = seen_.contains("links." + link);
    for (const char* part : {"latency_us", "gb_s"})
      if ((needed || any) && !seen_.contains(fmt::format("links.{}.{}", link, part)))
        throw BadInput("{}: links.{}.{} is missing; it is needed because {}", where_, link, part,
                       needed ? why : "the link is given");
  }

  std::string_view where_;
  Machine machine_;
  std::set<std::string> seen_;
};

}  // namespace

Machine ParseMachine(std::string_view text, std::string_view where) {
  return Reader(where).Read(ParseYaml(text, where));
}

std::string PrintMachine(const Machine& machine, std::string_view comment) {
  std::string text = fmt::format("# {}\n", comment);
  std::vector<std::string> open;  // the sections that the last key was in
  for (const MachineKey& key : MachineKeys()) {
    const std::string value = key.belongs_to(machine.kind) ? key.print(machine) : "";
    if (value.empty()) continue;
    std::vector<std::string> parts;
    std::size_t begin = 0;
    for (auto dot = key.path.find('.'); dot != std::string::npos; dot = key.path.find('.', begin)) {
      parts.push_back(key.path.substr(begin, dot - begin));
      begin = dot + 1;
    }
    for (std::size_t level = 0; level < parts.size(); ++level) {
      if (level < open.size() && open[level] == parts[level]) continue;
      open.resize(level);
      open.push_back(parts[level]);
      text += fmt::format("{}{}:\n", std::string(2 * level, ' '), parts[level]);
    }
    open.resize(parts.size());
    const std::string indent(2 * parts.size(), ' ');
    text +=
        fmt::format("{}# {}\n{}{}: {}\n", indent, key.help, indent, key.path.substr(begin), value);
  }
  return text;
}

}  // namespace lockstep
