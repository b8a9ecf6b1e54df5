#include "text/jinja/functions/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "text/jinja/values/operators.h"
#include "text/jinja/values/python_text.h"
#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

Value Generator(Values items) { return Value::Of(SequenceKind::kIterator, std::move(items)); }

// "a.b.0": an item of an item. A number counts as an index.
class Getter {
 public:
  explicit Getter(const Value& attribute) {
    if (attribute.is_integer()) {
      keys_.push_back(attribute);
      return;
    }
    for (const std::string& part : Split(Str(attribute), ".", -1)) {
      std::int64_t index = 0;
      const char* end = part.data() + part.size();
      const bool number = !part.empty() && part.find_first_not_of("0123456789") == part.npos &&
                          std::from_chars(part.data(), end, index).ec == std::errc();
      keys_.push_back(number ? Value(index) : Value(part));
    }
  }

  Value operator()(Value value) const {
    for (const Value& key : keys_) value = Item(value, key);
    return value;
  }

 private:
  Values keys_;
};

// Texts are compared without regard to case unless that is asked for.
Value Folded(const Value& value, bool case_sensitive) {
  return value.is_text() && !case_sensitive ? Value(Lower(value.text())) : value;
}

class Keyed {
 public:
  Keyed(const Value& attribute, bool case_sensitive) : case_sensitive_(case_sensitive) {
    if (!attribute.Is<Undefined>() && !attribute.Is<None>()) getter_.emplace(attribute);
  }
  Value operator()(const Value& value) const {
    return Folded(getter_ ? (*getter_)(value) : value, case_sensitive_);
  }
  bool Before(const Value& a, const Value& b) const { return Less((*this)(a), (*this)(b)); }

 private:
  std::optional<Getter> getter_;
  bool case_sensitive_;
};

Value Default(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"default", {"default_value", "boolean"}});
  const bool missing = value.Is<Undefined>() || (bound.Flag(1, false) && !Truth(value));
  if (!missing) return value;
  return bound.has(0) ? bound[0] : Value("");
}

Value Count(Renderer&, const Value& value, const Arguments& given) {
  const Bound none(given, {"length", {}});
  return Value(Length(value));
}

Value First(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound none(given, {"first", {}});
  Values items = Iterate(renderer, value);
  return items.empty() ? Value::Missing("No first item, sequence was empty.") : items.front();
}

Value Last(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound none(given, {"last", {}});
  if (value.sequence() != nullptr && value.sequence()->kind == SequenceKind::kIterator)
    throw Fault("'generator' object is not reversible");
  Values items = Iterate(renderer, value);
  return items.empty() ? Value::Missing("No last item, sequence was empty.") : items.back();
}

Value Join(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"join", {"d", "attribute"}});
  const std::string between = bound.has(0) ? Str(bound[0]) : "";
  std::optional<Getter> getter;
  if (bound.has(1) && !bound[1].Is<None>()) getter.emplace(bound[1]);
  std::string text;
  bool first = true;
  for (const Value& one : Iterate(renderer, value)) {
    if (!std::exchange(first, false)) text += between;
    text += Str(getter ? (*getter)(one) : one);
    RequireTextFits(text.size());
  }
  return Value(std::move(text));
}

Value ToList(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound none(given, {"list", {}});
  return Value::List(Iterate(renderer, value));
}

Value Items(Renderer&, const Value& value, const Arguments& given) {
  const Bound none(given, {"items", {}});
  if (value.Is<Undefined>()) return Generator({});
  if (value.dict() == nullptr) throw Fault("Can only get item pairs from a mapping.");
  Values pairs;
  for (const auto& [key, one] : value.dict()->items())
    pairs.push_back(Value::Of(SequenceKind::kTuple, {key, one}));
  return Generator(std::move(pairs));
}

Value Reverse(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound none(given, {"reverse", {}});
  Values items = Iterate(renderer, value);
  std::ranges::reverse(items);
  if (!value.is_text()) return Generator(std::move(items));
  std::string text;
  for (const Value& one : items) text += one.text();
  return Value(std::move(text));
}

// The rest of the arguments, for the filter or test that is named first.
Arguments Behind(const Arguments& given, std::size_t count) {
  return {.positional = {given.positional.begin() + static_cast<std::ptrdiff_t>(count),
                         given.positional.end()},
          .named = given.named};
}

std::string NameIn(const Arguments& given, std::size_t at, const char* what) {
  if (given.positional.size() <= at || !given.positional[at].is_text())
    throw Fault(fmt::format("expected the name of a {}", what));
  return given.positional[at].text();
}

Value Map(Renderer& renderer, const Value& value, const Arguments& given) {
  Values items = Iterate(renderer, value);
  if (given.positional.empty() && !given.named.empty()) {
    const Bound bound(given, {"map", {"attribute", "default"}, 1});
    const Getter getter(bound[0]);
    for (Value& one : items) {
      one = getter(one);
      if (one.Is<Undefined>() && bound.has(1)) one = bound[1];
    }
    return Generator(std::move(items));
  }
  const std::string name = NameIn(given, 0, "filter");
  const Filter filter = FindFilter(name);
  if (filter == nullptr) throw Fault(fmt::format("No filter named '{}'.", name));
  const Arguments rest = Behind(given, 1);
  for (Value& one : items) one = filter(renderer, one, rest);
  return Generator(std::move(items));
}

enum class Of : std::uint8_t { kItem, kAttribute };

template <bool wanted, Of of>
Value Choose(Renderer& renderer, const Value& value, const Arguments& given) {
  std::size_t used = 0;
  std::optional<Getter> getter;
  if (of == Of::kAttribute) {
    if (given.positional.empty()) throw Fault("Missing parameter for attribute name");
    getter.emplace(given.positional[used++]);
  }
  Test test = nullptr;
  Arguments rest;
  if (given.positional.size() > used) {
    const std::string name = NameIn(given, used++, "test");
    test = FindTest(name);
    if (test == nullptr) throw Fault(fmt::format("No test named '{}'.", name));
    rest = Behind(given, used);
  }
  Values chosen;
  for (Value& one : Iterate(renderer, value)) {
    const Value looked = getter ? (*getter)(one) : one;
    const bool holds = test == nullptr ? Truth(looked) : test(renderer, looked, rest);
    if (holds == wanted) chosen.push_back(std::move(one));
  }
  return Generator(std::move(chosen));
}

Value Sort(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"sort", {"reverse", "case_sensitive", "attribute"}});
  if (bound[2].is_text() && bound[2].text().find(',') != std::string::npos)
    throw Fault("sort(): several attributes are not supported");
  const Keyed keyed(bound[2], bound.Flag(1, false));
  Values items = Iterate(renderer, value);
  renderer.Charge(16 * std::ssize(items));
  const bool reverse = bound.Flag(0, false);
  std::ranges::stable_sort(items, [&](const Value& a, const Value& b) {
    return reverse ? keyed.Before(b, a) : keyed.Before(a, b);
  });
  return Value::List(std::move(items));
}

Value SortDict(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"dictsort", {"case_sensitive", "by", "reverse"}});
  const std::string by = bound.has(1) ? bound.Text(1) : "key";
  if (by != "key" && by != "value") throw Fault("You can only sort by either \"key\" or \"value\"");
  Arguments sort;
  sort.named = {{"attribute", Value(std::int64_t{by == "key" ? 0 : 1})},
                {"case_sensitive", Value(bound.Flag(0, false))},
                {"reverse", Value(bound.Flag(2, false))}};
  if (value.dict() == nullptr) throw Fault("Can only get item pairs from a mapping.");
  return Sort(renderer, Items(renderer, value, {}), sort);
}

template <bool largest>
Value Extreme(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {largest ? "max" : "min", {"case_sensitive", "attribute"}});
  const Keyed keyed(bound[1], bound.Flag(0, false));
  const Values items = Iterate(renderer, value);
  if (items.empty()) return Value::Missing("No aggregated item, sequence was empty.");
  const Value* best = &items.front();
  for (const Value& one : items)
    if (largest ? keyed.Before(*best, one) : keyed.Before(one, *best)) best = &one;
  return *best;
}

Value Sum(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"sum", {"attribute", "start"}});
  std::optional<Getter> getter;
  if (bound.has(0) && !bound[0].Is<None>()) getter.emplace(bound[0]);
  Value sum = bound.has(1) ? bound[1] : Value(std::int64_t{0});
  if (sum.is_text()) throw Fault("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& one : Iterate(renderer, value))
    sum = Reckon(BinaryOperator::kAdd, sum, getter ? (*getter)(one) : one);
  return sum;
}

Value Unique(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"unique", {"case_sensitive", "attribute"}});
  const Keyed keyed(bound[1], bound.Flag(0, false));
  Dict seen;
  Values chosen;
  for (const Value& one : Iterate(renderer, value)) {
    const Value key = keyed(one);
    renderer.Charge(key.is_text() ? 1 : std::ssize(seen.items()));
    if (seen.Find(key) != nullptr) continue;
    seen.Set(key, Value(true));
    chosen.push_back(one);
  }
  return Generator(std::move(chosen));
}

}  // namespace

Filter FindFilter(std::string_view name) {
  static const std::unordered_map<std::string_view, Filter> kFilters{
      {"count", Count},
      {"d", Default},
      {"default", Default},
      {"dictsort", SortDict},
      {"first", First},
      {"items", Items},
      {"join", Join},
      {"last", Last},
      {"length", Count},
      {"list", ToList},
      {"map", Map},
      {"max", Extreme<true>},
      {"min", Extreme<false>},
      {"reject", Choose<false, Of::kItem>},
      {"rejectattr", Choose<false, Of::kAttribute>},
      {"reverse", Reverse},
      {"select", Choose<true, Of::kItem>},
      {"selectattr", Choose<true, Of::kAttribute>},
      {"sort", Sort},
      {"sum", Sum},
      {"unique", Unique},
  };
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? FindTextFilter(name) : found->second;
}

}  // namespace lockstep::jinja
