#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/jinja/nodes/expressions.h"
#include "text/jinja/nodes/nodes.h"

namespace lockstep::jinja {

// The kinds of statements. What they are made of is theirs.

using StatementPtr = std::unique_ptr<Statement>;

// What a value is given to: a name, an attribute of a namespace, or several, each its part.
struct Target {
  std::string name = {};
  std::string attribute = {};
  std::vector<Target> parts = {};
};
void Assign(Renderer& renderer, const Target& target, const Value& value);

StatementPtr MakeData(Place place, std::string text);
StatementPtr MakeOutput(Place place, ExpressionPtr value);

struct Branch {
  ExpressionPtr condition;  // null: else
  Block body;
};
StatementPtr MakeIf(Place place, std::vector<Branch> branches);

struct Loop {
  Target target;
  ExpressionPtr items;
  ExpressionPtr condition;  // which of them; null: all
  Block body, otherwise;
};
StatementPtr MakeFor(Place place, Loop loop);
StatementPtr MakeFlow(Place place, Flow flow);

StatementPtr MakeSet(Place place, Target target, ExpressionPtr value);
// What a block writes, which `filters` is then applied to: an expression over CapturedName().
struct Captured {
  Block body;
  ExpressionPtr filters;
};
std::string CapturedName();
StatementPtr MakeSetBlock(Place place, Target target, Captured captured);
StatementPtr MakeFilterBlock(Place place, Captured captured);

// with a = b, c = d; none: only a scope of its own.
StatementPtr MakeScope(Place place, std::vector<std::pair<Target, ExpressionPtr>> names,
                       Block body);

struct MacroParts {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // null: no default
  Block body;
};
StatementPtr MakeMacro(Place place, MacroParts parts);

}  // namespace lockstep::jinja
