#pragma once

#include <string>

#include "text/jinja/nodes/expressions.h"
#include "text/jinja/syntax/token_stream.h"

namespace lockstep::jinja {

// Reads expressions, with the precedences of Jinja's own parser. Whatever of Jinja is not supported
// (filters, tests, methods, globals) is refused here. Throws BadInput with the place.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr Parse();
  // Without a choice ("a if b else c") at its top.
  // Several with commas between them are a tuple.
  enum class Choices : std::uint8_t { kAllowed, kNotAllowed };
  ExpressionPtr ParseTuple(Choices choices);
  // "|upper|trim", applied to a value.
  ExpressionPtr ParseFilters(ExpressionPtr value);
  // The same without its first "|".
  ExpressionPtr ParseFilter(ExpressionPtr value);

 private:
  ExpressionPtr ParseOr();
  ExpressionPtr ParseAnd();
  ExpressionPtr ParseNot();
  ExpressionPtr ParseComparison();
  ExpressionPtr ParseSum();
  ExpressionPtr ParseConcat();
  ExpressionPtr ParseProduct();
  ExpressionPtr ParsePower();
  enum class Filters : std::uint8_t { kTaken, kLeft };
  ExpressionPtr ParseUnary(Filters filters);
  ExpressionPtr ParsePrimary();
  ExpressionPtr ParseName();
  ExpressionPtr ParseList();
  ExpressionPtr ParseDict();
  ExpressionPtr ParseParentheses();
  ExpressionPtr ParsePostfix(ExpressionPtr value);
  ExpressionPtr ParseFiltersAndTests(ExpressionPtr value);
  ExpressionPtr ParseAttribute(ExpressionPtr object);
  ExpressionPtr ParseSubscript(ExpressionPtr object);
  ExpressionPtr ParseCall(ExpressionPtr function);
  ExpressionPtr ParseTest(ExpressionPtr value);
  CallArguments ParseArguments();
  bool TestHasArgument() const;
  // Refuses what is nested too deep, or chained too long.
  ExpressionPtr Checked(ExpressionPtr expression) const;

  TokenStream& tokens_;
};

}  // namespace lockstep::jinja
