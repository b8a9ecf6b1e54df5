#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/jinja/functions/functions.h"
#include "text/jinja/nodes/nodes.h"
#include "text/jinja/values/operators.h"

namespace lockstep::jinja {

// The kinds of expressions. What they are made of is theirs.

using Expressions = std::vector<ExpressionPtr>;

struct CallArguments {
  Expressions positional = {};
  std::vector<std::pair<std::string, ExpressionPtr>> named = {};

  Arguments Evaluate(Renderer& renderer) const;
};

ExpressionPtr MakeConstant(Place place, Value value);
ExpressionPtr MakeName(Place place, std::string name);
ExpressionPtr MakeSequence(Place place, SequenceKind kind, Expressions items);
// Keys and values in turn.
ExpressionPtr MakeDict(Place place, Expressions items);
ExpressionPtr MakeAttribute(Place place, ExpressionPtr object, std::string name);
ExpressionPtr MakeItem(Place place, ExpressionPtr object, ExpressionPtr key);
// start, stop and step; null where they are left out.
ExpressionPtr MakeSlice(Place place, ExpressionPtr object, Expressions bounds);
ExpressionPtr MakeCall(Place place, ExpressionPtr function, CallArguments arguments);
ExpressionPtr MakeFilter(Place place, ExpressionPtr value, Filter filter, CallArguments arguments);
ExpressionPtr MakeTest(Place place, ExpressionPtr value, Test test, CallArguments arguments);
ExpressionPtr MakeNot(Place place, ExpressionPtr value);
ExpressionPtr MakeSign(Place place, char sign, ExpressionPtr value);
ExpressionPtr MakeBinary(Place place, BinaryOperator op, ExpressionPtr a, ExpressionPtr b);
ExpressionPtr MakeConcat(Place place, Expressions parts);
enum class Logic : std::uint8_t { kAnd, kOr };
ExpressionPtr MakeLogic(Place place, Logic logic, ExpressionPtr a, ExpressionPtr b);
// value if condition else otherwise; `otherwise` may be null.
ExpressionPtr MakeChoice(Place place, ExpressionPtr condition, ExpressionPtr value,
                         ExpressionPtr otherwise);

enum class Comparison : std::uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};
struct ComparedTo {
  Comparison comparison;
  ExpressionPtr value;
};
// first < second <= third ...
ExpressionPtr MakeComparison(Place place, ExpressionPtr first, std::vector<ComparedTo> others);

}  // namespace lockstep::jinja
