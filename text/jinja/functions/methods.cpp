#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/functions/functions.h"
#include "text/jinja/values/python_text.h"
#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

using Method = Value (*)(Renderer&, const Value&, const Arguments&);

// --- str ---

template <std::string (*change)(std::string_view)>
Value Changed(Renderer&, const Value& self, const Arguments& given) {
  const Bound none(given, {"method", {}});
  return Value(change(self.text()));
}

template <Side side>
Value Stripped(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"strip", {"chars"}});
  return Value(std::string(Strip(self.text(), side, bound.OptionalText(0))));
}

Value ListOf(std::vector<std::string> parts) {
  Values items;
  for (std::string& part : parts) items.emplace_back(std::move(part));
  return Value::List(std::move(items));
}

template <Side from>
Value Parts(Renderer& renderer, const Value& self, const Arguments& given) {
  const Bound bound(given, {"split", {"sep", "maxsplit"}});
  renderer.Charge(std::ssize(self.text()) / 16);
  const auto separator = bound.OptionalText(0);
  if (separator && separator->empty()) throw Fault("empty separator");
  const auto split = from == Side::kLeft ? Split : SplitFromRight;
  return ListOf(split(self.text(), separator, bound.Integer(1, -1)));
}

Value Lines(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"splitlines", {"keepends"}});
  return ListOf(
      SplitLines(self.text(), bound.Flag(0, false) ? LineEnds::kKept : LineEnds::kDropped));
}

template <Side side>
bool Matches(std::string_view text, const Value& affix) {
  if (!affix.is_text())
    throw Fault(fmt::format("startswith or endswith: expected str, not {}", affix.TypeName()));
  return side == Side::kLeft ? text.starts_with(affix.text()) : text.ends_with(affix.text());
}

template <Side side>
Value HasAffix(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {side == Side::kLeft ? "startswith" : "endswith", {"affix"}, 1});
  const Value affix = bound[0];
  const auto matches = [&](const Value& one) { return Matches<side>(self.text(), one); };
  if (affix.sequence() == nullptr) return Value(matches(affix));
  return Value(std::ranges::any_of(affix.sequence()->items, matches));
}

template <Side side>
Value WithoutAffix(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {side == Side::kLeft ? "removeprefix" : "removesuffix", {"affix"}, 1});
  const std::string& affix = bound.Text(0);
  if (affix.empty() || !Matches<side>(self.text(), bound[0])) return self;
  const std::size_t rest = self.text().size() - affix.size();
  return Value(self.text().substr(side == Side::kLeft ? affix.size() : 0, rest));
}

template <Side side>
Value Partition(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {side == Side::kLeft ? "partition" : "rpartition", {"sep"}, 1});
  const std::string &text = self.text(), &separator = bound.Text(0);
  if (separator.empty()) throw Fault("empty separator");
  const auto at = side == Side::kLeft ? text.find(separator) : text.rfind(separator);
  const auto tuple = [](std::string a, std::string b, std::string c) {
    return Value::Of(SequenceKind::kTuple,
                     {Value(std::move(a)), Value(std::move(b)), Value(std::move(c))});
  };
  if (at == text.npos) return side == Side::kLeft ? tuple(text, "", "") : tuple("", "", text);
  return tuple(text.substr(0, at), separator, text.substr(at + separator.size()));
}

Value Replaced(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"replace", {"old", "new", "count"}, 2});
  const std::string &old = bound.Text(0), &fresh = bound.Text(1);
  return Value(Replace(self.text(), old, fresh, bound.Integer(2, -1)));
}

Value Joined(Renderer& renderer, const Value& self, const Arguments& given) {
  const Bound bound(given, {"join", {"iterable"}, 1});
  std::string text;
  bool first = true;
  for (const Value& one : Iterate(renderer, bound[0])) {
    if (!one.is_text()) throw Fault(fmt::format("join(): expected str, not {}", one.TypeName()));
    if (!std::exchange(first, false)) text += self.text();
    text += one.text();
    RequireTextFits(text.size());
  }
  return Value(std::move(text));
}

template <Side from>
Value Found(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {from == Side::kLeft ? "find" : "rfind", {"sub"}, 1});
  const std::string& text = self.text();
  const auto at = from == Side::kLeft ? text.find(bound.Text(0)) : text.rfind(bound.Text(0));
  return Value(at == text.npos ? std::int64_t{-1} : Characters(text.substr(0, at)));
}

Value Counted(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"count", {"sub"}, 1});
  if (bound.Text(0).empty()) return Value(Characters(self.text()) + 1);
  return Value(std::ssize(Split(self.text(), bound.Text(0), -1)) - 1);
}

bool OfDigits(std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; }))
    throw Fault("digits are looked for in ASCII texts only");
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}
bool OfSpace(std::string_view text) { return !text.empty() && Strip(text, Side::kBoth).empty(); }

template <bool (*holds)(std::string_view)>
Value Holds(Renderer&, const Value& self, const Arguments& given) {
  const Bound none(given, {"method", {}});
  return Value(holds(self.text()));
}

const std::unordered_map<std::string_view, Method>& TextMethods() {
  static const std::unordered_map<std::string_view, Method> kMethods{
      {"capitalize", Changed<Capitalize>},
      {"count", Counted},
      {"endswith", HasAffix<Side::kRight>},
      {"find", Found<Side::kLeft>},
      {"isdecimal", Holds<OfDigits>},
      {"isdigit", Holds<OfDigits>},
      {"islower", Holds<IsLowerCase>},
      {"isnumeric", Holds<OfDigits>},
      {"isspace", Holds<OfSpace>},
      {"isupper", Holds<IsUpperCase>},
      {"join", Joined},
      {"lower", Changed<Lower>},
      {"lstrip", Stripped<Side::kLeft>},
      {"partition", Partition<Side::kLeft>},
      {"removeprefix", WithoutAffix<Side::kLeft>},
      {"removesuffix", WithoutAffix<Side::kRight>},
      {"replace", Replaced},
      {"rfind", Found<Side::kRight>},
      {"rpartition", Partition<Side::kRight>},
      {"rsplit", Parts<Side::kRight>},
      {"rstrip", Stripped<Side::kRight>},
      {"split", Parts<Side::kLeft>},
      {"splitlines", Lines},
      {"startswith", HasAffix<Side::kLeft>},
      {"strip", Stripped<Side::kBoth>},
      {"title", Changed<Title>},
      {"upper", Changed<Upper>},
  };
  return kMethods;
}

// --- dict ---

enum class Part : std::uint8_t { kKey, kValue, kBoth };

template <Part part>
Value View(Renderer& renderer, const Value& self, const Arguments& given) {
  const Bound none(given, {"method", {}});
  renderer.Charge(std::ssize(self.dict()->items()));
  Values items;
  for (const auto& [key, value] : self.dict()->items()) {
    if (part == Part::kBoth)
      items.push_back(Value::Of(SequenceKind::kTuple, {key, value}));
    else
      items.push_back(part == Part::kKey ? key : value);
  }
  return Value::Of(SequenceKind::kView, std::move(items));
}

Value Get(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"get", {"key", "default"}, 1});
  if (const Value* found = self.dict()->Find(bound[0])) return *found;
  return bound.has(1) ? bound[1] : Value(None{});
}

Value Copy(Renderer&, const Value& self, const Arguments& given) {
  const Bound none(given, {"copy", {}});
  return self;
}

const std::unordered_map<std::string_view, Method>& DictMethods() {
  static const std::unordered_map<std::string_view, Method> kMethods{
      {"copy", Copy},
      {"get", Get},
      {"items", View<Part::kBoth>},
      {"keys", View<Part::kKey>},
      {"values", View<Part::kValue>},
  };
  return kMethods;
}

// --- list, tuple ---

Value IndexOf(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"index", {"value"}, 1});
  const Values& items = self.sequence()->items;
  const auto found =
      std::ranges::find_if(items, [&](const Value& one) { return Equal(one, bound[0]); });
  if (found == items.end()) throw Fault("index(): the value is not in the list");
  return Value(std::int64_t{found - items.begin()});
}

Value CountIn(Renderer&, const Value& self, const Arguments& given) {
  const Bound bound(given, {"count", {"value"}, 1});
  return Value(std::int64_t{std::ranges::count_if(
      self.sequence()->items, [&](const Value& one) { return Equal(one, bound[0]); })});
}

const std::unordered_map<std::string_view, Method>& ListMethods() {
  static const std::unordered_map<std::string_view, Method> kMethods{
      {"copy", Copy}, {"count", CountIn}, {"index", IndexOf}};
  return kMethods;
}

const std::unordered_map<std::string_view, Method>* MethodsOf(const Value& self) {
  if (self.is_text()) return &TextMethods();
  if (self.dict() != nullptr) return &DictMethods();
  const Sequence* sequence = self.sequence();
  const bool list = sequence != nullptr && (sequence->kind == SequenceKind::kList ||
                                            sequence->kind == SequenceKind::kTuple);
  return list ? &ListMethods() : nullptr;
}

// Those that change their value: a sandbox has none of them.
bool Changes(std::string_view name) {
  constexpr std::array<std::string_view, 11> kNames{"append",     "clear",   "extend", "insert",
                                                    "pop",        "popitem", "remove", "reverse",
                                                    "setdefault", "sort",    "update"};
  return std::ranges::find(kNames, name) != kNames.end();
}

Value Unsafe(Renderer&, const Arguments&) {
  throw Fault("a template may not change lists and dicts; use namespace() for what changes");
}

}  // namespace

Value MethodOf(const Value& self, std::string_view name) {
  const auto* methods = MethodsOf(self);
  if (methods == nullptr) return {};
  if (const auto found = methods->find(name); found != methods->end())
    return Value(
        Function([self, method = found->second](Renderer& renderer, const Arguments& given) {
          renderer.ChargeText(self);
          return method(renderer, self, given);
        }));
  if (self.is_text() || !Changes(name)) return {};
  return Value(Function(Unsafe));
}

bool IsUnsupportedMethod(std::string_view name) {
  constexpr std::array<std::string_view, 24> kNames{
      "casefold",    "center",    "changed", "encode",    "expandtabs", "format",
      "format_map",  "fromkeys",  "isalnum", "isalpha",   "isascii",    "isidentifier",
      "isprintable", "istitle",   "ljust",   "maketrans", "rindex",     "rjust",
      "swapcase",    "translate", "zfill",   "hex",       "is_integer", "bit_length"};
  return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace lockstep::jinja
