#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/functions/functions.h"
#include "text/jinja/values/python_text.h"

namespace lockstep::jinja {
namespace {

std::string ObjectName(const Value& value) {
  return value.Is<None>() ? "None" : fmt::format("'{} object'", value.TypeName());
}

// Python's rule for a list of `length`: what the bounds of a slice mean.
struct Range {
  std::int64_t start, stop, step;
};

std::int64_t Bounded(const Value& bound, std::int64_t otherwise, const Range& limits,
                     std::int64_t length) {
  if (bound.Is<None>()) return otherwise;
  bound.RequireDefined();
  if (!bound.is_integer())
    throw Fault("slice indices must be integers or None or have an __index__ method");
  std::int64_t at = bound.integer();
  if (at < 0) at = at < -length ? limits.start : at + length;
  return std::clamp(at, limits.start, limits.stop);
}

Range RangeOf(const SliceBounds& bounds, std::int64_t length) {
  std::int64_t step = 1;
  if (!bounds.step.Is<None>()) {
    if (!bounds.step.is_integer()) throw Fault("slice indices must be integers or None");
    step = bounds.step.integer();
  }
  if (step == 0) throw Fault("slice step cannot be zero");
  step = std::clamp<std::int64_t>(step, -(length + 1), length + 1);
  const Range limits = step > 0 ? Range{0, length, 1} : Range{-1, length - 1, 1};
  return {Bounded(bounds.start, step > 0 ? limits.start : limits.stop, limits, length),
          Bounded(bounds.stop, step > 0 ? limits.stop : limits.start, limits, length), step};
}

template <typename Visit>
void ForEach(const Range& range, Visit visit) {
  for (std::int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop;
       i += range.step)
    visit(static_cast<std::size_t>(i));
}

std::optional<std::size_t> Position(const Value& key, std::int64_t length) {
  if (!key.is_integer()) return std::nullopt;
  const std::int64_t at = key.integer() < 0 ? key.integer() + length : key.integer();
  return at < 0 || at >= length ? std::nullopt : std::optional(static_cast<std::size_t>(at));
}

std::optional<Value> CharacterAt(const std::string& text, const Value& key) {
  const auto starts = CharacterStarts(text);
  const auto at = Position(key, std::ssize(starts) - 1);
  if (!at) return std::nullopt;
  return Value(text.substr(starts[*at], starts[*at + 1] - starts[*at]));
}

bool Indexed(const Sequence& sequence) {
  return sequence.kind != SequenceKind::kView && sequence.kind != SequenceKind::kIterator;
}

}  // namespace

Values Iterate(Renderer& renderer, const Value& value) {
  renderer.Charge(value.weight());
  Values values;
  if (const Sequence* sequence = value.sequence()) {
    if (std::exchange(sequence->spent, sequence->kind == SequenceKind::kIterator)) return values;
    return sequence->items;
  }
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, one] : dict->items()) values.push_back(key);
    return values;
  }
  if (value.is_text()) {
    const auto starts = CharacterStarts(value.text());
    renderer.Charge(std::ssize(starts));
    for (std::size_t i = 0; i + 1 < starts.size(); ++i)
      values.emplace_back(value.text().substr(starts[i], starts[i + 1] - starts[i]));
    return values;
  }
  if (!value.Is<Undefined>())
    throw Fault(fmt::format("'{}' object is not iterable", value.TypeName()));
  return values;
}

std::int64_t Length(const Value& value) {
  if (value.is_text()) return Characters(value.text());
  if (const Dict* dict = value.dict()) return std::ssize(dict->items());
  if (value.Is<Undefined>()) return 0;
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kIterator)
    throw Fault(fmt::format("object of type '{}' has no len()", value.TypeName()));
  return std::ssize(sequence->items);
}

Value Attribute(const Value& value, std::string_view name) {
  value.RequireDefined();
  if (name.starts_with("__"))
    return Value::Missing(fmt::format("access to attribute '{}' is unsafe", name));
  if (value.Is<Namespace*>()) {
    const auto& attributes = value.As<Namespace*>()->attributes;
    if (const auto found = attributes.find(std::string(name)); found != attributes.end())
      return found->second;
  }
  Value method = MethodOf(value, name);
  if (!method.Is<Undefined>()) return method;
  if (const Dict* dict = value.dict())
    if (const Value* found = dict->Find(name)) return *found;
  return Value::Missing(fmt::format("{} has no attribute '{}'", ObjectName(value), name));
}

Value Item(const Value& value, const Value& key) {
  value.RequireDefined();
  if (const Dict* dict = value.dict())
    if (const Value* found = dict->Find(key)) return *found;
  if (key.is_text()) return Attribute(value, key.text());
  if (const Sequence* sequence = value.sequence(); sequence != nullptr && Indexed(*sequence))
    if (const auto at = Position(key, std::ssize(sequence->items))) return sequence->items[*at];
  if (value.is_text())
    if (const auto character = CharacterAt(value.text(), key)) return *character;
  return Value::Missing(fmt::format("{} has no such element", ObjectName(value)));
}

Value Slice(const Value& value, const SliceBounds& bounds) {
  value.RequireDefined();
  if (value.is_text()) {
    const auto starts = CharacterStarts(value.text());
    std::string part;
    ForEach(RangeOf(bounds, std::ssize(starts) - 1), [&](std::size_t i) {
      part += value.text().substr(starts[i], starts[i + 1] - starts[i]);
    });
    return Value(std::move(part));
  }
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || !Indexed(*sequence))
    throw Fault(fmt::format("{} has no slices", ObjectName(value)));
  Values items;
  ForEach(RangeOf(bounds, std::ssize(sequence->items)),
          [&](std::size_t i) { items.push_back(sequence->items[i]); });
  return Value::Of(sequence->kind, std::move(items));
}

bool Contains(Renderer& renderer, const Value& value, const Value& part) {
  if (value.is_text()) {
    if (!part.is_text())
      throw Fault(
          fmt::format("'in <string>' requires string as left operand, not {}", part.TypeName()));
    return value.text().find(part.text()) != std::string::npos;
  }
  if (const Dict* dict = value.dict()) return dict->Find(part) != nullptr;
  if (value.Is<None>() || value.is_number() || value.Is<Namespace*>())
    throw Fault(fmt::format("argument of type '{}' is not iterable", value.TypeName()));
  const Values items = Iterate(renderer, value);
  return std::ranges::any_of(items, [&](const Value& one) { return Equal(one, part); });
}

Value Call(Renderer& renderer, const Value& function, const Arguments& given) {
  function.RequireDefined();
  using Shared = std::shared_ptr<const Function>;
  if (!function.Is<Shared>())
    throw Fault(fmt::format("'{}' object is not callable", function.TypeName()));
  return (*function.As<Shared>())(renderer, given);
}

}  // namespace lockstep::jinja
