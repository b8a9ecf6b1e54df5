#include "text/jinja/syntax/expression_parser.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace lockstep::jinja {
namespace {

// What is evaluated calls itself as often.
constexpr int kMostHeight = 200;

std::optional<Comparison> ComparisonOf(std::string_view op) {
  if (op == "==") return Comparison::kEqual;
  if (op == "!=") return Comparison::kNotEqual;
  if (op == "<") return Comparison::kLess;
  if (op == "<=") return Comparison::kLessEqual;
  if (op == ">") return Comparison::kGreater;
  if (op == ">=") return Comparison::kGreaterEqual;
  return std::nullopt;
}

std::optional<BinaryOperator> ProductOf(const TokenStream& tokens) {
  if (tokens.IsOperator("*")) return BinaryOperator::kMultiply;
  if (tokens.IsOperator("/")) return BinaryOperator::kDivide;
  if (tokens.IsOperator("//")) return BinaryOperator::kFloorDivide;
  if (tokens.IsOperator("%")) return BinaryOperator::kRemainder;
  return std::nullopt;
}

}  // namespace

ExpressionPtr ExpressionParser::Checked(ExpressionPtr expression) const {
  if (expression->height() > kMostHeight)
    tokens_.Fail(fmt::format("an expression of more than {} parts within each other", kMostHeight));
  return expression;
}

ExpressionPtr ExpressionParser::Parse() {
  const TokenStream::Deeper deeper(tokens_);
  ExpressionPtr value = ParseOr();
  while (tokens_.IsName("if")) {
    const Place place = tokens_.Take().place;
    ExpressionPtr condition = ParseOr();
    ExpressionPtr otherwise = tokens_.TakeName("else") ? Parse() : nullptr;
    value =
        Checked(MakeChoice(place, std::move(condition), std::move(value), std::move(otherwise)));
  }
  return value;
}

ExpressionPtr ExpressionParser::ParseTuple(Choices choices) {
  const Place place = tokens_.Now().place;
  const auto parse = [&] { return choices == Choices::kAllowed ? Parse() : ParseOr(); };
  const auto ends = [&] {
    return tokens_.Is(TokenKind::kOutputEnd) || tokens_.Is(TokenKind::kBlockEnd) ||
           tokens_.IsOperator(")");
  };
  Expressions items;
  if (ends()) tokens_.FailUnexpected("an expression");
  items.push_back(parse());
  if (!tokens_.IsOperator(",")) return std::move(items.front());
  while (tokens_.TakeOperator(",") && !ends()) items.push_back(parse());
  return Checked(MakeSequence(place, SequenceKind::kTuple, std::move(items)));
}

ExpressionPtr ExpressionParser::ParseOr() {
  ExpressionPtr left = ParseAnd();
  while (tokens_.IsName("or")) {
    const Place place = tokens_.Take().place;
    left = Checked(MakeLogic(place, Logic::kOr, std::move(left), ParseAnd()));
  }
  return left;
}

ExpressionPtr ExpressionParser::ParseAnd() {
  ExpressionPtr left = ParseNot();
  while (tokens_.IsName("and")) {
    const Place place = tokens_.Take().place;
    left = Checked(MakeLogic(place, Logic::kAnd, std::move(left), ParseNot()));
  }
  return left;
}

ExpressionPtr ExpressionParser::ParseNot() {
  if (!tokens_.IsName("not")) return ParseComparison();
  const TokenStream::Deeper deeper(tokens_);
  const Place place = tokens_.Take().place;
  return MakeNot(place, ParseNot());
}

ExpressionPtr ExpressionParser::ParseComparison() {
  const Place place = tokens_.Now().place;
  ExpressionPtr first = ParseSum();
  std::vector<ComparedTo> others;
  while (true) {
    const bool is_operator = tokens_.Is(TokenKind::kOperator);
    const auto comparison = is_operator ? ComparisonOf(tokens_.Now().text) : std::nullopt;
    if (comparison) {
      tokens_.Take();
      others.push_back({*comparison, ParseSum()});
    } else if (tokens_.TakeName("in")) {
      others.push_back({Comparison::kIn, ParseSum()});
    } else if (tokens_.IsName("not") && tokens_.Next().kind == TokenKind::kName &&
               tokens_.Next().text == "in") {
      tokens_.Take();
      tokens_.Take();
      others.push_back({Comparison::kNotIn, ParseSum()});
    } else {
      break;
    }
  }
  if (others.empty()) return first;
  return Checked(MakeComparison(place, std::move(first), std::move(others)));
}

ExpressionPtr ExpressionParser::ParseSum() {
  ExpressionPtr left = ParseConcat();
  while (tokens_.IsOperator("+") || tokens_.IsOperator("-")) {
    const auto op = tokens_.IsOperator("+") ? BinaryOperator::kAdd : BinaryOperator::kSubtract;
    const Place place = tokens_.Take().place;
    left = Checked(MakeBinary(place, op, std::move(left), ParseConcat()));
  }
  return left;
}

ExpressionPtr ExpressionParser::ParseConcat() {
  const Place place = tokens_.Now().place;
  Expressions parts;
  parts.push_back(ParseProduct());
  while (tokens_.TakeOperator("~")) parts.push_back(ParseProduct());
  if (parts.size() == 1) return std::move(parts.front());
  return Checked(MakeConcat(place, std::move(parts)));
}

ExpressionPtr ExpressionParser::ParseProduct() {
  const bool is_text = tokens_.Is(TokenKind::kString);
  ExpressionPtr left = ParsePower();
  while (const auto op = ProductOf(tokens_)) {
    if (is_text && *op == BinaryOperator::kRemainder)
      tokens_.Fail("formatting a text with % is not supported");
    const Place place = tokens_.Take().place;
    left = Checked(MakeBinary(place, *op, std::move(left), ParsePower()));
  }
  return left;
}

ExpressionPtr ExpressionParser::ParsePower() {
  ExpressionPtr left = ParseUnary(Filters::kTaken);
  while (tokens_.IsOperator("**")) {
    const Place place = tokens_.Take().place;
    left = Checked(
        MakeBinary(place, BinaryOperator::kPower, std::move(left), ParseUnary(Filters::kTaken)));
  }
  return left;
}

ExpressionPtr ExpressionParser::ParseUnary(Filters filters) {
  const TokenStream::Deeper deeper(tokens_);
  const Place place = tokens_.Now().place;
  ExpressionPtr value;
  if (tokens_.TakeOperator("-"))
    value = MakeSign(place, '-', ParseUnary(Filters::kLeft));
  else if (tokens_.TakeOperator("+"))
    value = MakeSign(place, '+', ParseUnary(Filters::kLeft));
  else
    value = ParsePrimary();
  value = ParsePostfix(std::move(value));
  return filters == Filters::kTaken ? ParseFiltersAndTests(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::ParsePrimary() {
  const Token& token = tokens_.Now();
  const Place place = token.place;
  switch (token.kind) {
    case TokenKind::kName: return ParseName();
    case TokenKind::kInteger: return MakeConstant(place, Value(tokens_.Take().integer));
    case TokenKind::kFloat: return MakeConstant(place, Value(tokens_.Take().number));
    case TokenKind::kString: {
      std::string text;
      while (tokens_.Is(TokenKind::kString)) text += tokens_.Take().text;
      return MakeConstant(place, Value(std::move(text)));
    }
    default: break;
  }
  if (tokens_.IsOperator("(")) return ParseParentheses();
  if (tokens_.IsOperator("[")) return ParseList();
  if (tokens_.IsOperator("{")) return ParseDict();
  tokens_.FailUnexpected("an expression");
}

ExpressionPtr ExpressionParser::ParseName() {
  const Token token = tokens_.Take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return MakeConstant(token.place, Value(true));
  if (name == "false" || name == "False") return MakeConstant(token.place, Value(false));
  if (name == "none" || name == "None") return MakeConstant(token.place, Value(None{}));
  if (IsUnsupportedGlobal(name))
    tokens_.FailAt(token.place, fmt::format("{} is not supported", name));
  if (name == "loop" && tokens_.IsOperator("("))
    tokens_.FailAt(token.place, "recursive loops are not supported");
  return MakeName(token.place, name);
}

ExpressionPtr ExpressionParser::ParseParentheses() {
  const Place place = tokens_.Take().place;
  if (tokens_.TakeOperator(")")) return MakeSequence(place, SequenceKind::kTuple, {});
  ExpressionPtr value = ParseTuple(Choices::kAllowed);
  tokens_.ExpectOperator(")");
  return value;
}

ExpressionPtr ExpressionParser::ParseList() {
  const Place place = tokens_.Take().place;
  Expressions items;
  while (!tokens_.IsOperator("]")) {
    if (!items.empty()) tokens_.ExpectOperator(",");
    if (tokens_.IsOperator("]")) break;
    items.push_back(Parse());
  }
  tokens_.ExpectOperator("]");
  return Checked(MakeSequence(place, SequenceKind::kList, std::move(items)));
}

ExpressionPtr ExpressionParser::ParseDict() {
  const Place place = tokens_.Take().place;
  Expressions items;
  while (!tokens_.IsOperator("}")) {
    if (!items.empty()) tokens_.ExpectOperator(",");
    if (tokens_.IsOperator("}")) break;
    items.push_back(Parse());
    tokens_.ExpectOperator(":");
    items.push_back(Parse());
  }
  tokens_.ExpectOperator("}");
  return Checked(MakeDict(place, std::move(items)));
}

ExpressionPtr ExpressionParser::ParsePostfix(ExpressionPtr value) {
  while (true) {
    if (tokens_.IsOperator("."))
      value = ParseAttribute(std::move(value));
    else if (tokens_.IsOperator("["))
      value = ParseSubscript(std::move(value));
    else if (tokens_.IsOperator("("))
      value = ParseCall(std::move(value));
    else
      return value;
  }
}

ExpressionPtr ExpressionParser::ParseFiltersAndTests(ExpressionPtr value) {
  while (true) {
    if (tokens_.IsOperator("|"))
      value = ParseFilters(std::move(value));
    else if (tokens_.IsName("is"))
      value = ParseTest(std::move(value));
    else if (tokens_.IsOperator("("))
      value = ParseCall(std::move(value));
    else
      return value;
  }
}

ExpressionPtr ExpressionParser::ParseAttribute(ExpressionPtr object) {
  tokens_.ExpectOperator(".");
  const Token token = tokens_.Take();
  if (token.kind == TokenKind::kInteger)
    return Checked(
        MakeItem(token.place, std::move(object), MakeConstant(token.place, Value(token.integer))));
  if (token.kind != TokenKind::kName) tokens_.FailAt(token.place, "expected a name or a number");
  if (tokens_.IsOperator("(") && IsUnsupportedMethod(token.text))
    tokens_.FailAt(token.place, fmt::format("the method {}() is not supported", token.text));
  return Checked(MakeAttribute(token.place, std::move(object), token.text));
}

ExpressionPtr ExpressionParser::ParseSubscript(ExpressionPtr object) {
  const Place place = tokens_.Take().place;
  Expressions bounds(3);
  bool slice = false;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!tokens_.IsOperator(":") && !tokens_.IsOperator("]")) bounds[i] = Parse();
    if (i == 2 || !tokens_.TakeOperator(":")) break;
    slice = true;
  }
  if (tokens_.IsOperator(",")) tokens_.Fail("a subscript of several values is not supported");
  tokens_.ExpectOperator("]");
  if (slice) return Checked(MakeSlice(place, std::move(object), std::move(bounds)));
  if (bounds[0] == nullptr) tokens_.FailAt(place, "a subscript without a value");
  return Checked(MakeItem(place, std::move(object), std::move(bounds[0])));
}

CallArguments ExpressionParser::ParseArguments() {
  tokens_.ExpectOperator("(");
  CallArguments arguments;
  while (!tokens_.IsOperator(")")) {
    if (!arguments.positional.empty() || !arguments.named.empty()) tokens_.ExpectOperator(",");
    if (tokens_.IsOperator(")")) break;
    if (tokens_.IsOperator("*") || tokens_.IsOperator("**"))
      tokens_.Fail("arguments with * or ** are not supported");
    const Token& next = tokens_.Next();
    const bool named =
        tokens_.Is(TokenKind::kName) && next.kind == TokenKind::kOperator && next.text == "=";
    if (named) {
      std::string name = tokens_.Take().text;
      tokens_.Take();
      arguments.named.emplace_back(std::move(name), Parse());
    } else {
      if (!arguments.named.empty()) tokens_.Fail("an argument without a name behind named ones");
      arguments.positional.push_back(Parse());
    }
  }
  tokens_.ExpectOperator(")");
  return arguments;
}

ExpressionPtr ExpressionParser::ParseCall(ExpressionPtr function) {
  const Place place = tokens_.Now().place;
  return Checked(MakeCall(place, std::move(function), ParseArguments()));
}

ExpressionPtr ExpressionParser::ParseFilters(ExpressionPtr value) {
  while (tokens_.TakeOperator("|")) value = ParseFilter(std::move(value));
  return value;
}

ExpressionPtr ExpressionParser::ParseFilter(ExpressionPtr value) {
  const Place place = tokens_.Now().place;
  const std::string name = tokens_.ExpectAnyName();
  const Filter filter = FindFilter(name);
  if (filter == nullptr) tokens_.FailAt(place, fmt::format("the filter {} is not supported", name));
  CallArguments arguments;
  if (tokens_.IsOperator("(")) arguments = ParseArguments();
  return Checked(MakeFilter(place, std::move(value), filter, std::move(arguments)));
}

// "x is divisibleby 3" has one without parentheses.
bool ExpressionParser::TestHasArgument() const {
  const Token& token = tokens_.Now();
  switch (token.kind) {
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kFloat: return true;
    case TokenKind::kName: return token.text != "else" && token.text != "or" && token.text != "and";
    default: return tokens_.IsOperator("[") || tokens_.IsOperator("{");
  }
}

ExpressionPtr ExpressionParser::ParseTest(ExpressionPtr value) {
  const TokenStream::Deeper deeper(tokens_);
  const Place place = tokens_.Take().place;
  const bool negated = tokens_.TakeName("not");
  const Place named = tokens_.Now().place;
  const std::string name = tokens_.ExpectAnyName();
  const Test test = FindTest(name);
  if (test == nullptr) tokens_.FailAt(named, fmt::format("the test {} is not supported", name));
  CallArguments arguments;
  if (tokens_.IsOperator("(")) {
    arguments = ParseArguments();
  } else if (TestHasArgument()) {
    if (tokens_.IsName("is")) tokens_.Fail("tests with \"is\" do not follow each other");
    arguments.positional.push_back(ParsePostfix(ParsePrimary()));
  }
  ExpressionPtr result = MakeTest(place, std::move(value), test, std::move(arguments));
  if (negated) result = MakeNot(place, std::move(result));
  return Checked(std::move(result));
}

}  // namespace lockstep::jinja
