#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// A YAML document as plain data: the library that parses it stays behind ParseYaml().
struct YamlNode {
  enum class Kind { kNull, kPlain, kQuoted, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;             // of kPlain and kQuoted
  std::vector<YamlNode> keys;   // of kMap, as written
  std::vector<YamlNode> items;  // of kList; of kMap the values of its keys
  int line = 1;                 // both from 1
  int column = 1;
};

// "scalar", "list", "map", "nothing": for messages.
std::string_view Name(YamlNode::Kind kind);

// Parses one document of the subset a configuration needs: maps, lists and scalars, at most 8
// levels deep and 256 KiB long, without tags and aliases. An empty document is kNull.
// Throws BadInput "where:line:column: ..." for anything else, and for invalid YAML.
YamlNode ParseYaml(std::string_view text, std::string_view where);

}  // namespace lockstep
