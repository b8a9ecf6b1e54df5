#pragma once

#include <cstdint>

#include "text/jinja/values/value.h"

namespace lockstep::jinja {

enum class BinaryOperator : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kRemainder,
  kPower
};

// As Python has it for numbers, texts and lists. Whole numbers have 64 bits, and what does not fit
// is a Fault, as is what Python refuses. Formatting a text with % is not there.
Value Reckon(BinaryOperator op, const Value& a, const Value& b);
Value Negative(const Value& value);
Value Positive(const Value& value);

}  // namespace lockstep::jinja
