#include "text/jinja/syntax/template_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "text/jinja/nodes/statements.h"
#include "text/jinja/syntax/expression_parser.h"

namespace lockstep::jinja {
namespace {

using Names = std::initializer_list<std::string_view>;

class TemplateParser {
 public:
  TemplateParser(std::string_view source, std::string_view where)
      : tokens_(source, where), expressions_(tokens_) {}

  Block Parse() { return ParseUntil({}); }

 private:
  // Up to the first of these tags, whose name is the next token then.
  Block ParseUntil(Names ends) {
    const TokenStream::Deeper deeper(tokens_);
    Block block;
    while (!tokens_.Is(TokenKind::kEnd)) {
      const Place place = tokens_.Now().place;
      if (tokens_.Is(TokenKind::kData)) {
        block.push_back(MakeData(place, tokens_.Take().text));
        continue;
      }
      if (tokens_.Is(TokenKind::kOutputBegin)) {
        block.push_back(ParseOutput());
        continue;
      }
      tokens_.Expect(TokenKind::kBlockBegin);
      if (tokens_.Is(TokenKind::kName) && std::ranges::count(ends, tokens_.Now().text) > 0)
        return block;
      block.push_back(ParseStatement(ends));
      tokens_.Expect(TokenKind::kBlockEnd);
    }
    if (ends.size() > 0) tokens_.FailUnexpected(Listed(ends));
    return block;
  }

  static std::string Listed(Names ends) {
    std::string text;
    for (const std::string_view end : ends)
      text += fmt::format("{}{{% {} %}}", text.empty() ? "" : " or ", end);
    return text;
  }

  // The body of a tag, from behind its name to behind its end.
  Block ParseBody(Names ends) {
    tokens_.TakeOperator(":");
    tokens_.Expect(TokenKind::kBlockEnd);
    return ParseUntil(ends);
  }

  Block ParseClosedBody(std::string_view end) {
    Block body = ParseBody({end});
    tokens_.Take();
    return body;
  }

  StatementPtr ParseOutput() {
    const Place place = tokens_.Take().place;
    ExpressionPtr value = expressions_.ParseTuple(ExpressionParser::Choices::kAllowed);
    tokens_.Expect(TokenKind::kOutputEnd);
    return MakeOutput(place, std::move(value));
  }

  StatementPtr ParseStatement(Names ends) {
    const Place place = tokens_.Now().place;
    const std::string tag = tokens_.ExpectAnyName();
    if (tag == "if") return ParseIf(place);
    if (tag == "for") return ParseFor(place);
    if (tag == "set") return ParseSet(place);
    if (tag == "macro") return ParseMacro(place);
    if (tag == "with") return ParseWith(place);
    if (tag == "filter") return ParseFilterBlock(place);
    if (tag == "generation") return MakeScope(place, {}, ParseClosedBody("endgeneration"));
    if (tag == "break" || tag == "continue") return ParseFlow(place, tag);
    const std::string_view expected = ends.size() > 0 ? "; open is a tag that ends with " : "";
    tokens_.FailAt(place, fmt::format("the tag {} is not supported here{}{}", tag, expected,
                                      ends.size() > 0 ? Listed(ends) : ""));
  }

  StatementPtr ParseIf(Place place) {
    std::vector<Branch> branches;
    ExpressionPtr condition = expressions_.ParseTuple(ExpressionParser::Choices::kNotAllowed);
    while (true) {
      Block body = ParseBody({"elif", "else", "endif"});
      branches.push_back({std::move(condition), std::move(body)});
      const std::string tag = tokens_.Take().text;
      if (tag == "endif") break;
      if (tag == "else") {
        branches.push_back({nullptr, ParseClosedBody("endif")});
        break;
      }
      condition = expressions_.ParseTuple(ExpressionParser::Choices::kNotAllowed);
    }
    return MakeIf(place, std::move(branches));
  }

  StatementPtr ParseFor(Place place) {
    Loop loop{.target = ParseTargets(), .items = {}, .condition = {}, .body = {}, .otherwise = {}};
    tokens_.ExpectName("in");
    loop.items = expressions_.ParseTuple(ExpressionParser::Choices::kNotAllowed);
    if (tokens_.TakeName("if")) loop.condition = expressions_.Parse();
    if (tokens_.IsName("recursive")) tokens_.Fail("recursive loops are not supported");
    ++loops_;
    loop.body = ParseBody({"endfor", "else"});
    --loops_;
    if (tokens_.Take().text == "else") loop.otherwise = ParseClosedBody("endfor");
    return MakeFor(place, std::move(loop));
  }

  StatementPtr ParseFlow(Place place, const std::string& tag) {
    if (loops_ == 0) tokens_.FailAt(place, fmt::format("{} outside a loop", tag));
    return MakeFlow(place, tag == "break" ? Flow::kBreak : Flow::kContinue);
  }

  StatementPtr ParseSet(Place place) {
    Target target = ParseTargets();
    if (tokens_.TakeOperator("="))
      return MakeSet(place, std::move(target),
                     expressions_.ParseTuple(ExpressionParser::Choices::kAllowed));
    ExpressionPtr filters = expressions_.ParseFilters(MakeName(place, CapturedName()));
    Block body = ParseClosedBody("endset");
    return MakeSetBlock(place, std::move(target), {std::move(body), std::move(filters)});
  }

  StatementPtr ParseFilterBlock(Place place) {
    ExpressionPtr filters = expressions_.ParseFilter(MakeName(place, CapturedName()));
    filters = expressions_.ParseFilters(std::move(filters));
    Block body = ParseClosedBody("endfilter");
    return MakeFilterBlock(place, {std::move(body), std::move(filters)});
  }

  StatementPtr ParseWith(Place place) {
    std::vector<std::pair<Target, ExpressionPtr>> names;
    while (!tokens_.Is(TokenKind::kBlockEnd)) {
      if (!names.empty()) tokens_.ExpectOperator(",");
      Target target = ParseTarget();
      tokens_.ExpectOperator("=");
      names.emplace_back(std::move(target), expressions_.Parse());
    }
    return MakeScope(place, std::move(names), ParseClosedBody("endwith"));
  }

  StatementPtr ParseMacro(Place place) {
    MacroParts macro{.name = ParseAssignedName(), .parameters = {}, .body = {}};
    tokens_.ExpectOperator("(");
    while (!tokens_.IsOperator(")")) {
      if (!macro.parameters.empty()) tokens_.ExpectOperator(",");
      std::string name = ParseAssignedName();
      ExpressionPtr otherwise = tokens_.TakeOperator("=") ? expressions_.Parse() : nullptr;
      if (!otherwise && !macro.parameters.empty() && macro.parameters.back().second)
        tokens_.Fail("non-default argument follows default argument");
      macro.parameters.emplace_back(std::move(name), std::move(otherwise));
    }
    tokens_.ExpectOperator(")");
    const int loops = std::exchange(loops_, 0);
    macro.body = ParseClosedBody("endmacro");
    loops_ = loops;
    return MakeMacro(place, std::move(macro));
  }

  std::string ParseAssignedName() {
    const Place place = tokens_.Now().place;
    std::string name = tokens_.ExpectAnyName();
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"})
      if (name == constant) tokens_.FailAt(place, fmt::format("can't assign to {}", name));
    return name;
  }

  // One, or several with commas between them.
  Target ParseTargets() {
    Target first = ParseTarget();
    if (!tokens_.IsOperator(",")) return first;
    Target all;
    all.parts.push_back(std::move(first));
    while (tokens_.TakeOperator(",") && !tokens_.IsName("in") && !tokens_.IsOperator("="))
      all.parts.push_back(ParseTarget());
    return all;
  }

  Target ParseTarget() {
    const TokenStream::Deeper deeper(tokens_);
    if (tokens_.TakeOperator("(")) {
      Target inner = ParseTargets();
      tokens_.ExpectOperator(")");
      return inner;
    }
    Target target{.name = ParseAssignedName()};
    if (tokens_.TakeOperator(".")) target.attribute = tokens_.ExpectAnyName();
    return target;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int loops_ = 0;  // open ones
};

}  // namespace

Block ParseTemplate(std::string_view source, std::string_view where) {
  return TemplateParser(source, where).Parse();
}

}  // namespace lockstep::jinja
