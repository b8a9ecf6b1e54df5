#include "text/jinja/values/operators.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

constexpr std::int64_t kMostItems = 1'000'000;

[[noreturn]] void TooLarge() { throw Fault("a number is more than a template can reckon with"); }

const char* SymbolOf(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::kAdd: return "+";
    case BinaryOperator::kSubtract: return "-";
    case BinaryOperator::kMultiply: return "*";
    case BinaryOperator::kDivide: return "/";
    case BinaryOperator::kFloorDivide: return "//";
    case BinaryOperator::kRemainder: return "%";
    case BinaryOperator::kPower: return "**";
  }
  return "";
}

// Towards minus infinity.
std::int64_t FloorDivide(std::int64_t a, std::int64_t b) {
  if (a == std::numeric_limits<std::int64_t>::min() && b == -1) TooLarge();
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t Remainder(std::int64_t a, std::int64_t b) {
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Value IntegerPower(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0 && base == 0) throw Fault("0 cannot be raised to a negative power");
  if (exponent < 0)
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  std::int64_t result = 1;
  if (base == 0 || base == 1) return Value(exponent == 0 ? std::int64_t{1} : base);
  if (base == -1) return Value(std::int64_t{exponent % 2 == 0 ? 1 : -1});
  for (std::int64_t i = 0; i < exponent; ++i)
    if (__builtin_mul_overflow(result, base, &result)) TooLarge();
  return Value(result);
}

Value Integers(BinaryOperator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case BinaryOperator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) TooLarge();
      return Value(result);
    case BinaryOperator::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) TooLarge();
      return Value(result);
    case BinaryOperator::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) TooLarge();
      return Value(result);
    case BinaryOperator::kDivide: return Value(static_cast<double>(a) / static_cast<double>(b));
    case BinaryOperator::kFloorDivide: return Value(FloorDivide(a, b));
    case BinaryOperator::kRemainder: return Value(Remainder(a, b));
    case BinaryOperator::kPower: return IntegerPower(a, b);
  }
  return {};
}

Value Floats(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::kAdd: return Value(a + b);
    case BinaryOperator::kSubtract: return Value(a - b);
    case BinaryOperator::kMultiply: return Value(a * b);
    case BinaryOperator::kDivide: return Value(a / b);
    case BinaryOperator::kFloorDivide: return Value(std::floor(a / b));
    case BinaryOperator::kPower: return Value(std::pow(a, b));
    case BinaryOperator::kRemainder: {
      const double rest = std::fmod(a, b);
      return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
  }
  return {};
}

bool Divides(BinaryOperator op) {
  return op == BinaryOperator::kDivide || op == BinaryOperator::kFloorDivide ||
         op == BinaryOperator::kRemainder;
}

Value Repeated(const Value& value, std::int64_t times) {
  times = std::max<std::int64_t>(0, times);
  const std::int64_t length =
      value.is_text() ? std::ssize(value.text()) : std::ssize(value.sequence()->items);
  if (length > 0 && times > static_cast<std::int64_t>(kMostTextBytes)) TooLarge();
  if (value.is_text()) {
    RequireTextFits(static_cast<std::size_t>(length * times));
    std::string text;
    for (std::int64_t i = 0; length > 0 && i < times; ++i) text += value.text();
    return Value(std::move(text));
  }
  if (length * times > kMostItems) TooLarge();
  Values items;
  for (std::int64_t i = 0; length > 0 && i < times; ++i)
    items.insert(items.end(), value.sequence()->items.begin(), value.sequence()->items.end());
  return Value::Of(value.sequence()->kind, std::move(items));
}

bool IsListLike(const Value& value) {
  return value.sequence() != nullptr && (value.sequence()->kind == SequenceKind::kList ||
                                         value.sequence()->kind == SequenceKind::kTuple);
}

Value Appended(const Value& a, const Value& b) {
  Values items = a.sequence()->items;
  items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
  return Value::Of(a.sequence()->kind, std::move(items));
}

bool Repeats(const Value& a, const Value& b) {
  return (a.is_text() || IsListLike(a)) && b.is_integer();
}

}  // namespace

Value Reckon(BinaryOperator op, const Value& a, const Value& b) {
  a.RequireDefined();
  b.RequireDefined();
  if (a.is_number() && b.is_number()) {
    if (b.number() == 0 && Divides(op)) throw Fault("division by zero");
    if (a.is_integer() && b.is_integer()) return Integers(op, a.integer(), b.integer());
    return Floats(op, a.number(), b.number());
  }
  if (op == BinaryOperator::kAdd && a.is_text() && b.is_text()) {
    RequireTextFits(a.text().size() + b.text().size());
    return Value(a.text() + b.text());
  }
  if (op == BinaryOperator::kAdd && IsListLike(a) && IsListLike(b) &&
      a.sequence()->kind == b.sequence()->kind)
    return Appended(a, b);
  if (op == BinaryOperator::kMultiply && Repeats(a, b)) return Repeated(a, b.integer());
  if (op == BinaryOperator::kMultiply && Repeats(b, a)) return Repeated(b, a.integer());
  if (op == BinaryOperator::kRemainder && a.is_text())
    throw Fault("formatting a text with % is not supported");
  if (op == BinaryOperator::kAdd && a.is_text())
    throw Fault(fmt::format("can only concatenate str (not \"{}\") to str", b.TypeName()));
  throw Fault(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", SymbolOf(op),
                          a.TypeName(), b.TypeName()));
}

Value Negative(const Value& value) {
  value.RequireDefined();
  if (value.is_integer()) return Integers(BinaryOperator::kSubtract, 0, value.integer());
  if (value.Is<double>()) return Value(-value.number());
  throw Fault(fmt::format("bad operand type for unary -: '{}'", value.TypeName()));
}

Value Positive(const Value& value) {
  value.RequireDefined();
  if (value.is_integer()) return Value(value.integer());
  if (value.Is<double>()) return value;
  throw Fault(fmt::format("bad operand type for unary +: '{}'", value.TypeName()));
}

}  // namespace lockstep::jinja
