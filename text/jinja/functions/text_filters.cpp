#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/functions/filters.h"
#include "text/jinja/values/operators.h"
#include "text/jinja/values/python_text.h"
#include "text/jinja/values/value_text.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep::jinja {
namespace {

// Jinja's own rule for the filter: words begin behind these.
std::string TitleWords(const std::string& text) {
  std::string result;
  bool begins = true;
  const auto starts = CharacterStarts(text);
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    const std::string one = text.substr(starts[i], starts[i + 1] - starts[i]);
    result += begins ? Upper(one) : Lower(one);
    begins = std::string_view("-({[<").find(one.front()) != std::string_view::npos ||
             IsPythonSpace(DecodeUtf8(one, 0).code_point);
  }
  return result;
}

std::string IndentOf(const Value& width) {
  if (width.is_text()) return width.text();
  if (!width.is_integer()) throw Fault("indent(): width must be int or str");
  const std::int64_t blanks = std::max<std::int64_t>(0, width.integer());
  RequireTextFits(static_cast<std::size_t>(blanks));
  return std::string(static_cast<std::size_t>(blanks), ' ');
}

Value Indent(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"indent", {"width", "first", "blank"}});
  const std::string indent = bound.has(0) ? IndentOf(bound[0]) : "    ";
  std::string given_text = Str(value);
  const auto lines = SplitLines(given_text.append(1, '\n'), LineEnds::kDropped);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += '\n';
    if (i > 0 && (bound.Flag(2, false) || !lines[i].empty())) text += indent;
    if (i == 0 && bound.Flag(1, false)) text += indent;
    text += lines[i];
    RequireTextFits(text.size());
  }
  return Value(std::move(text));
}

Value ReplaceText(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"replace", {"old", "new", "count"}, 2});
  const std::int64_t most = bound[2].Is<None>() ? -1 : bound.Integer(2, -1);
  const std::string text = Str(value), old = Str(bound[0]), fresh = Str(bound[1]);
  return Value(Replace(text, old, fresh, most));
}

Value Trim(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"trim", {"chars"}});
  return Value(std::string(Strip(Str(value), Side::kBoth, bound.OptionalText(0))));
}

Value Json(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}});
  if (bound.Flag(0, false)) throw Fault("tojson(): ensure_ascii is not supported");
  renderer.Charge(value.weight());
  JsonStyle style{.sort_keys = bound.Flag(3, false)};
  if (bound.has(1) && !bound[1].Is<None>()) {
    style.indent = IndentOf(bound[1]);
    style.item_separator = std::string(1, ',');  // GCC 12 warns of a literal
  }
  if (const Sequence* pair = bound[2].sequence()) {
    if (pair->items.size() != 2 || !pair->items[0].is_text() || !pair->items[1].is_text())
      throw Fault("tojson(): separators must be two texts");
    style.item_separator = pair->items[0].text();
    style.key_separator = pair->items[1].text();
  }
  return Value(ToJson(value, style));
}

template <std::string (*change)(std::string_view)>
Value Changed(Renderer&, const Value& value, const Arguments& given) {
  const Bound none(given, {"filter", {}});
  return Value(change(Str(value)));
}

std::string TitleOf(std::string_view text) { return TitleWords(std::string(text)); }
std::string Same(std::string_view text) { return std::string(text); }

// --- Numbers ---

std::optional<double> FloatOf(const Value& value) {
  if (value.is_number()) return value.number();
  if (!value.is_text()) return std::nullopt;
  std::string text(Strip(value.text(), Side::kBoth));
  double number = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, code] = std::from_chars(begin, text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> IntegerOf(const Value& value, std::int64_t base) {
  if (value.is_text()) {
    const std::string text(Strip(value.text(), Side::kBoth));
    std::int64_t number = 0;
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const auto [end, code] =
        std::from_chars(begin, text.data() + text.size(), number, static_cast<int>(base));
    if (code == std::errc() && end == text.data() + text.size()) return number;
  }
  if (value.is_integer()) return value.integer();
  const auto number = FloatOf(value);
  if (!number || !(std::abs(*number) < 9e18)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

Value Int(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"int", {"default", "base"}});
  value.RequireDefined();
  const std::int64_t base = bound.Integer(1, 10);
  if (base < 2 || base > 36) throw Fault("int(): base must be from 2 to 36");
  if (const auto number = IntegerOf(value, base)) return Value(*number);
  return bound.has(0) ? bound[0] : Value(std::int64_t{0});
}

Value Float(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"float", {"default"}});
  value.RequireDefined();
  if (const auto number = FloatOf(value)) return Value(*number);
  return bound.has(0) ? bound[0] : Value(0.0);
}

Value Abs(Renderer&, const Value& value, const Arguments& given) {
  const Bound none(given, {"abs", {}});
  value.RequireDefined();
  if (value.is_integer()) return value.integer() < 0 ? Negative(value) : Positive(value);
  if (!value.is_number())
    throw Fault(fmt::format("bad operand type for abs(): '{}'", value.TypeName()));
  return Value(std::abs(value.number()));
}

Value Round(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"round", {"precision", "method"}});
  const std::int64_t digits = bound.Integer(0, 0);
  const std::string method = bound.has(1) ? bound.Text(1) : "common";
  value.RequireDefined();
  if (!value.is_number()) throw Fault(fmt::format("type {} is not rounded", value.TypeName()));
  if (digits < 0 || digits > 15) throw Fault("round(): precision must be from 0 to 15");
  if (method == "common") {
    if (value.is_integer()) return value;
    return Value(std::strtod(fmt::format("{:.{}f}", value.number(), digits).c_str(), nullptr));
  }
  const double unit = std::pow(10.0, static_cast<double>(digits));
  if (method == "ceil") return Value(std::ceil(value.number() * unit) / unit);
  if (method == "floor") return Value(std::floor(value.number() * unit) / unit);
  throw Fault("round(): method must be common, ceil or floor");
}

}  // namespace

Filter FindTextFilter(std::string_view name) {
  static const std::unordered_map<std::string_view, Filter> kFilters{
      {"abs", Abs},
      {"capitalize", Changed<Capitalize>},
      {"float", Float},
      {"indent", Indent},
      {"int", Int},
      {"lower", Changed<Lower>},
      {"replace", ReplaceText},
      {"round", Round},
      {"safe", Changed<Same>},
      {"string", Changed<Same>},
      {"title", Changed<TitleOf>},
      {"tojson", Json},
      {"trim", Trim},
      {"upper", Changed<Upper>},
  };
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

}  // namespace lockstep::jinja
