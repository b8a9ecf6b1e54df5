#include "runtime/options/yaml/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::size_t kMaxBytes = 256 * 1024;
constexpr std::size_t kMaxDepth = 8;

// Builds the tree from the parser's events. Aliases are refused here, where they are a single
// event, so that no document can be larger in memory than on paper.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view where) : where_(where) {}

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Add(At(mark, YamlNode::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& text) override {
    if (tag != "?" && tag != "!" && !tag.empty()) RefuseTag(mark);
    YamlNode node = At(mark, tag == "!" ? YamlNode::Kind::kQuoted : YamlNode::Kind::kPlain);
    node.text = text;
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string_view why) const {
    throw BadInput("{}:{}:{}: {}", where_, mark.line + 1, mark.column + 1, why);
  }
  [[noreturn]] void RefuseTag(const YAML::Mark& mark) const {
    Refuse(mark, "tags (!name) are not supported; leave it out");
  }

  static YamlNode At(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YamlNode::Kind kind) {
    if (tag != "?" && !tag.empty()) RefuseTag(mark);
    if (levels_.size() == kMaxDepth)
      Refuse(mark, fmt::format("nested deeper than {} levels", kMaxDepth));
    levels_.push_back(At(mark, kind));
  }

  void Close() {
    YamlNode node = std::move(levels_.back());
    levels_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& level = levels_.back();
    const bool is_key =
        level.kind == YamlNode::Kind::kMap && level.keys.size() == level.items.size();
    (is_key ? level.keys : level.items).push_back(std::move(node));
  }

  std::string_view where_;
  std::vector<YamlNode> levels_;  // the collections that are still being read, outermost first
  YamlNode root_;
};

}  // namespace

std::string_view Name(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull: return "nothing";
    case YamlNode::Kind::kList: return "a list";
    case YamlNode::Kind::kMap: return "a map";
    case YamlNode::Kind::kPlain:
    case YamlNode::Kind::kQuoted: break;
  }
  return "a single value";
}

YamlNode ParseYaml(std::string_view text, std::string_view where) {
  if (text.size() > kMaxBytes)
    throw BadInput("{}: {} bytes long; a configuration has at most {}", where, text.size(),
                   kMaxBytes);
  if (text.find('\0') != std::string_view::npos)
    throw BadInput("{}: holds a zero byte; expected YAML text", where);
  TreeBuilder builder(where);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    TreeBuilder second(where);
    if (parser.HandleNextDocument(second))
      throw BadInput("{}: holds several documents (---); expected one", where);
  } catch (const YAML::Exception& error) {
    throw BadInput("{}:{}:{}: not valid YAML: {}", where, error.mark.line + 1,
                   error.mark.column + 1, error.msg);
  }
  return builder.Take();
}

}  // namespace lockstep
