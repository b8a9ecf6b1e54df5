#include "text/jinja/values/value.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::jinja {
namespace {

// What goes through a value calls itself as often.
constexpr int kMostDepth = 100;

int DepthAbove(int depth) {
  if (depth >= kMostDepth) throw Fault(fmt::format("values are nested deeper than {}", kMostDepth));
  return depth + 1;
}

// What comparing or printing a value takes.
constexpr std::int64_t kMostWeight = 1'000'000;

std::int64_t Weighed(std::int64_t weight) {
  if (weight > kMostWeight)
    throw Fault(fmt::format("a value has more than {} others in it", kMostWeight));
  return weight;
}

void RequireHashable(const Value& key) {
  const Sequence* sequence = key.sequence();
  if (key.dict() != nullptr || (sequence != nullptr && sequence->kind == SequenceKind::kList))
    throw Fault(fmt::format("unhashable type: '{}'", key.TypeName()));
}

bool EqualItems(const Sequence& a, const Sequence& b) {
  return a.kind == b.kind && std::ranges::equal(a.items, b.items, Equal);
}

bool EqualDicts(const Dict& a, const Dict& b) {
  return a.items().size() == b.items().size() &&
         std::ranges::all_of(a.items(), [&](const auto& item) {
           const Value* other = b.Find(item.first);
           return other != nullptr && Equal(item.second, *other);
         });
}

}  // namespace

void Dict::Set(const Value& key, Value value) {
  RequireHashable(key);
  depth_ = std::max({depth_, DepthAbove(key.depth()), DepthAbove(value.depth())});
  weight_ = Weighed(weight_ + key.weight() + value.weight());
  if (const Value* found = Find(key)) {
    const auto same = [&](const auto& item) { return &item.second == found; };
    std::ranges::find_if(items_, same)->second = std::move(value);
    return;
  }
  if (key.is_text()) by_text_.emplace(key.text(), items_.size());
  items_.emplace_back(key, std::move(value));
}

const Value* Dict::Find(const Value& key) const {
  if (key.is_text()) return Find(key.text());
  for (const auto& [one, value] : items_)
    if (!one.is_text() && Equal(one, key)) return &value;
  return nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  const auto found = by_text_.find(std::string(key));
  return found == by_text_.end() ? nullptr : &items_[found->second].second;
}

Value::Value(Dict dict) {
  DepthAbove(dict.depth() - 1);
  data_ = std::make_shared<const Dict>(std::move(dict));
}

Value Value::Of(SequenceKind kind, Values items) {
  int depth = 0;
  std::int64_t weight = 1;
  for (const Value& item : items) {
    depth = std::max(depth, item.depth());
    weight = Weighed(weight + item.weight());
  }
  Value value;
  value.data_ = std::make_shared<const Sequence>(Sequence{
      .kind = kind, .items = std::move(items), .depth = DepthAbove(depth), .weight = weight});
  return value;
}

Value Value::Missing(std::string why) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(why))};
  return value;
}

Value Value::FromJson(const nlohmann::ordered_json& json) {
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_float()) return Value(json.get<double>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX)
    throw Fault(fmt::format("{} is more than a template can reckon with", json.dump()));
  if (json.is_number()) return Value(json.get<std::int64_t>());
  if (json.is_string()) return Value(json.get<std::string>());
  if (json.is_array()) {
    Values items;
    for (const auto& one : json) items.push_back(FromJson(one));
    return List(std::move(items));
  }
  if (!json.is_object()) return Value(None{});
  Dict dict;
  for (const auto& [key, one] : json.items()) dict.Set(Value(key), FromJson(one));
  return Value(std::move(dict));
}

std::int64_t Value::integer() const {
  return Is<bool>() ? static_cast<std::int64_t>(As<bool>()) : As<std::int64_t>();
}

double Value::number() const {
  return Is<double>() ? As<double>() : static_cast<double>(integer());
}

const Sequence* Value::sequence() const {
  const auto* found = std::get_if<std::shared_ptr<const Sequence>>(&data_);
  return found == nullptr ? nullptr : found->get();
}

const Dict* Value::dict() const {
  const auto* found = std::get_if<std::shared_ptr<const Dict>>(&data_);
  return found == nullptr ? nullptr : found->get();
}

int Value::depth() const {
  if (const Sequence* found = sequence()) return found->depth;
  if (const Dict* found = dict()) return found->depth();
  return 0;
}

std::int64_t Value::weight() const {
  if (const Sequence* found = sequence()) return found->weight;
  if (const Dict* found = dict()) return found->weight();
  return 1;
}

std::string Value::TypeName() const {
  if (const Sequence* found = sequence()) {
    switch (found->kind) {
      case SequenceKind::kList: return "list";
      case SequenceKind::kTuple: return "tuple";
      case SequenceKind::kRange: return "range";
      case SequenceKind::kView: return "dict view";
      case SequenceKind::kIterator: return "generator";
    }
  }
  constexpr const char* kNames[] = {"Undefined", "NoneType", "bool", "int",       "float",
                                    "str",       "",         "dict", "Namespace", "function"};
  return kNames[data_.index()];
}

void Value::RequireDefined() const {
  if (!Is<Undefined>()) return;
  const auto& why = As<Undefined>().why;
  throw Fault(why ? *why : "a value is undefined");
}

bool Truth(const Value& value) {
  if (value.is_number()) return value.number() != 0;
  if (value.is_text()) return !value.text().empty();
  if (const Dict* dict = value.dict()) return !dict->items().empty();
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr)  // a generator does not know what it will give
    return sequence->kind == SequenceKind::kIterator || !sequence->items.empty();
  return !value.Is<Undefined>() && !value.Is<None>();
}

bool Equal(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_text() && b.is_text()) return a.text() == b.text();
  if (a.sequence() != nullptr && b.sequence() != nullptr)
    return a.sequence() == b.sequence() || (a.sequence()->kind != SequenceKind::kIterator &&
                                            EqualItems(*a.sequence(), *b.sequence()));
  if (a.dict() != nullptr && b.dict() != nullptr) return EqualDicts(*a.dict(), *b.dict());
  if (a.Is<Namespace*>() && b.Is<Namespace*>()) return a.As<Namespace*>() == b.As<Namespace*>();
  using Shared = std::shared_ptr<const Function>;
  if (a.Is<Shared>() && b.Is<Shared>()) return a.As<Shared>() == b.As<Shared>();
  return (a.Is<None>() && b.Is<None>()) || (a.Is<Undefined>() && b.Is<Undefined>());
}

bool Less(const Value& a, const Value& b) {
  a.RequireDefined();
  b.RequireDefined();
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_text() && b.is_text()) return a.text() < b.text();  // UTF-8 has Unicode's order
  const Sequence* left = a.sequence();
  const Sequence* right = b.sequence();
  const auto ordered = [](const Sequence* one) {
    return one != nullptr &&
           (one->kind == SequenceKind::kList || one->kind == SequenceKind::kTuple);
  };
  if (!ordered(left) || !ordered(right) || left->kind != right->kind)
    throw Fault(fmt::format("'<' not supported between instances of '{}' and '{}'", a.TypeName(),
                            b.TypeName()));
  const auto [mine, theirs] = std::ranges::mismatch(
      left->items, right->items, [](const Value& x, const Value& y) { return Equal(x, y); });
  if (theirs == right->items.end()) return false;
  return mine == left->items.end() || Less(*mine, *theirs);
}

}  // namespace lockstep::jinja
