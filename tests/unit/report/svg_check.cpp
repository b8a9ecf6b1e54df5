#include "tests/unit/report/svg_check.h"

#include <algorithm>
#include <set>

namespace lockstep {
namespace {

bool IsEscaped(std::string_view text) {
  for (auto at = text.find('&'); at != text.npos; at = text.find('&', at + 1)) {
    const auto is = [&](std::string_view entity) { return text.substr(at).starts_with(entity); };
    if (!is("&amp;") && !is("&lt;") && !is("&gt;") && !is("&quot;")) return false;
  }
  return text.find('<') == text.npos && text.find('>') == text.npos;
}

// Takes name="value" off the front of a tag's inside. False: it is none.
bool TakeAttribute(std::string_view& inside, std::string& name, std::string& value) {
  const auto equals = inside.find("=\"");
  if (equals == inside.npos) return false;
  const auto end = inside.find('"', equals + 2);
  if (end == inside.npos) return false;
  name = inside.substr(0, equals);
  value = inside.substr(equals + 2, end - equals - 2);
  inside.remove_prefix(end + 1);
  while (inside.starts_with(' ')) inside.remove_prefix(1);
  return true;
}

// "rect" of `rect width="3"`, which leaves `width="3"`.
std::string TakeName(std::string_view& inside) {
  const auto end = std::min(inside.find(' '), inside.size());
  const std::string name(inside.substr(0, end));
  inside.remove_prefix(std::min(end + 1, inside.size()));
  return name;
}

}  // namespace

std::string FaultOf(std::string_view xml) {
  std::vector<std::string> open;
  while (!xml.empty()) {
    const auto begin = xml.find('<');
    const std::string_view text = xml.substr(0, begin);
    if (!IsEscaped(text)) return "text is not escaped: " + std::string(text);
    if (begin == xml.npos) break;
    const auto end = xml.find('>', begin);
    if (end == xml.npos) return "a tag does not end";
    std::string_view inside = xml.substr(begin + 1, end - begin - 1);
    xml.remove_prefix(end + 1);
    if (inside.starts_with('/')) {
      if (open.empty() || open.back() != inside.substr(1))
        return "closes out of order: " + std::string(inside);
      open.pop_back();
      continue;
    }
    const bool is_empty = inside.ends_with('/');
    if (is_empty) inside.remove_suffix(1);
    const std::string tag(inside);
    const std::string element = TakeName(inside);
    std::set<std::string> seen;
    std::string name;
    std::string value;
    while (!inside.empty()) {
      if (!TakeAttribute(inside, name, value)) return "no attribute: " + tag;
      if (!IsEscaped(value)) return "an attribute is not escaped: " + tag;
      if (!seen.insert(name).second) return "an attribute is there twice: " + tag;
    }
    if (!is_empty) open.push_back(element);
  }
  return open.empty() ? "" : open.back() + " is not closed";
}

std::vector<std::string> Attributes(std::string_view xml, std::string_view element,
                                    std::string_view attribute) {
  std::vector<std::string> values;
  const std::string start = "<" + std::string(element) + " ";
  for (auto at = xml.find(start); at != xml.npos; at = xml.find(start, at + 1)) {
    std::string_view inside = xml.substr(at + start.size(), xml.find('>', at) - at - start.size());
    std::string name;
    std::string value;
    while (TakeAttribute(inside, name, value))
      if (name == attribute) values.push_back(value);
  }
  return values;
}

std::vector<std::string> Texts(std::string_view xml, std::string_view element) {
  std::vector<std::string> texts;
  const std::string start = "<" + std::string(element);
  for (auto at = xml.find(start); at != xml.npos; at = xml.find(start, at + 1)) {
    const char next = xml[at + start.size()];
    if (next != ' ' && next != '>') continue;
    const auto begin = xml.find('>', at) + 1;
    texts.emplace_back(xml.substr(begin, xml.find("</", begin) - begin));
  }
  return texts;
}

}  // namespace lockstep
