#include <fmt/format.h>

#include "text/jinja/functions/functions.h"
#include "text/jinja/values/python_text.h"
#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

template <bool (*holds)(const Value&)>
bool Plain(Renderer&, const Value& value, const Arguments& given) {
  const Bound none(given, {"test", {}});
  return holds(value);
}

template <bool (*holds)(const Value&, const Value&)>
bool Compared(Renderer&, const Value& value, const Arguments& given) {
  const Bound bound(given, {"test", {"other"}, 1});
  return holds(value, bound[0]);
}

std::int64_t Whole(const Value& value) {
  value.RequireDefined();
  if (!value.is_integer())
    throw Fault(fmt::format("a test of a {} that needs a whole number", value.TypeName()));
  return value.integer();
}

bool IsDefined(const Value& v) { return !v.Is<Undefined>(); }
bool IsUndefined(const Value& v) { return v.Is<Undefined>(); }
bool IsNone(const Value& v) { return v.Is<None>(); }
bool IsText(const Value& v) { return v.is_text(); }
bool IsMapping(const Value& v) { return v.dict() != nullptr; }
bool IsBoolean(const Value& v) { return v.Is<bool>(); }
bool IsTrue(const Value& v) { return v.Is<bool>() && v.As<bool>(); }
bool IsFalse(const Value& v) { return v.Is<bool>() && !v.As<bool>(); }
bool IsInteger(const Value& v) { return v.Is<std::int64_t>(); }
bool IsFloat(const Value& v) { return v.Is<double>(); }
bool IsNumber(const Value& v) { return v.is_number(); }
bool IsCallable(const Value& v) { return v.Is<std::shared_ptr<const Function>>(); }
bool IsIterable(const Value& v) {
  return v.is_text() || v.dict() != nullptr || v.sequence() != nullptr || IsUndefined(v);
}
// What has a length and items.
bool IsSequence(const Value& v) {
  return v.is_text() || v.dict() != nullptr || IsUndefined(v) ||
         (v.sequence() != nullptr && v.sequence()->kind != SequenceKind::kIterator &&
          v.sequence()->kind != SequenceKind::kView);
}
bool IsEven(const Value& v) { return Whole(v) % 2 == 0; }
bool IsOdd(const Value& v) { return Whole(v) % 2 != 0; }
bool IsLower(const Value& v) { return IsLowerCase(Str(v)); }
bool IsUpper(const Value& v) { return IsUpperCase(Str(v)); }
bool Divisible(const Value& a, const Value& b) {
  if (Whole(b) == 0) throw Fault("division by zero");
  return Whole(b) == -1 || Whole(a) % Whole(b) == 0;
}
bool NotEqual(const Value& a, const Value& b) { return !Equal(a, b); }
bool Greater(const Value& a, const Value& b) { return Less(b, a); }
bool AtMost(const Value& a, const Value& b) { return Less(a, b) || Equal(a, b); }
bool AtLeast(const Value& a, const Value& b) { return Less(b, a) || Equal(a, b); }
// Which texts and numbers are one object, Python does not promise; equal ones count.
bool Same(const Value& a, const Value& b) { return a.TypeName() == b.TypeName() && Equal(a, b); }

bool In(Renderer& renderer, const Value& value, const Arguments& given) {
  const Bound bound(given, {"in", {"seq"}, 1});
  return Contains(renderer, bound[0], value);
}

template <bool test>
bool Named(Renderer&, const Value& value, const Arguments& given) {
  const Bound none(given, {"test", {}});
  if (!value.is_text()) return false;
  return test ? FindTest(value.text()) != nullptr : FindFilter(value.text()) != nullptr;
}

}  // namespace

Test FindTest(std::string_view name) {
  static const std::unordered_map<std::string_view, Test> kTests{
      {"!=", Compared<NotEqual>},
      {"<", Compared<Less>},
      {"<=", Compared<AtMost>},
      {"==", Compared<Equal>},
      {">", Compared<Greater>},
      {">=", Compared<AtLeast>},
      {"boolean", Plain<IsBoolean>},
      {"callable", Plain<IsCallable>},
      {"defined", Plain<IsDefined>},
      {"divisibleby", Compared<Divisible>},
      {"eq", Compared<Equal>},
      {"equalto", Compared<Equal>},
      {"even", Plain<IsEven>},
      {"false", Plain<IsFalse>},
      {"filter", Named<false>},
      {"float", Plain<IsFloat>},
      {"ge", Compared<AtLeast>},
      {"greaterthan", Compared<Greater>},
      {"gt", Compared<Greater>},
      {"in", In},
      {"integer", Plain<IsInteger>},
      {"iterable", Plain<IsIterable>},
      {"le", Compared<AtMost>},
      {"lessthan", Compared<Less>},
      {"lower", Plain<IsLower>},
      {"lt", Compared<Less>},
      {"mapping", Plain<IsMapping>},
      {"ne", Compared<NotEqual>},
      {"none", Plain<IsNone>},
      {"number", Plain<IsNumber>},
      {"odd", Plain<IsOdd>},
      {"sameas", Compared<Same>},
      {"sequence", Plain<IsSequence>},
      {"string", Plain<IsText>},
      {"test", Named<true>},
      {"true", Plain<IsTrue>},
      {"undefined", Plain<IsUndefined>},
      {"upper", Plain<IsUpper>},
  };
  const auto found = kTests.find(name);
  return found == kTests.end() ? nullptr : found->second;
}

}  // namespace lockstep::jinja
