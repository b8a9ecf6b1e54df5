#include "text/jinja/syntax/token_stream.h"

#include <fmt/format.h>

namespace lockstep::jinja {
namespace {

constexpr int kMostDepth = 100;

std::string Named(TokenKind kind) {
  switch (kind) {
    case TokenKind::kData: return "text";
    case TokenKind::kOutputBegin: return "{{";
    case TokenKind::kOutputEnd: return "}}";
    case TokenKind::kBlockBegin: return "{%";
    case TokenKind::kBlockEnd: return "%}";
    case TokenKind::kName: return "a name";
    case TokenKind::kString: return "a text";
    case TokenKind::kInteger:
    case TokenKind::kFloat: return "a number";
    case TokenKind::kOperator: return "an operator";
    case TokenKind::kEnd: return "the end of the template";
  }
  return "";
}

std::string Shown(const Token& token) {
  const bool own = token.kind == TokenKind::kName || token.kind == TokenKind::kOperator ||
                   token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat;
  return own ? fmt::format("\"{}\"", token.text) : Named(token.kind);
}

}  // namespace

Token TokenStream::Take() {
  Token token = Now();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::IsName(std::string_view name) const {
  return Is(TokenKind::kName) && Now().text == name;
}

bool TokenStream::IsOperator(std::string_view op) const {
  return Is(TokenKind::kOperator) && Now().text == op;
}

bool TokenStream::TakeName(std::string_view name) {
  const bool there = IsName(name);
  if (there) Take();
  return there;
}

bool TokenStream::TakeOperator(std::string_view op) {
  const bool there = IsOperator(op);
  if (there) Take();
  return there;
}

void TokenStream::ExpectOperator(std::string_view op) {
  if (!TakeOperator(op)) FailUnexpected(fmt::format("\"{}\"", op));
}

void TokenStream::ExpectName(std::string_view name) {
  if (!TakeName(name)) FailUnexpected(fmt::format("\"{}\"", name));
}

std::string TokenStream::ExpectAnyName() {
  if (!Is(TokenKind::kName)) FailUnexpected("a name");
  return Take().text;
}

void TokenStream::Expect(TokenKind kind) {
  if (!Is(kind)) FailUnexpected(Named(kind));
  Take();
}

void TokenStream::FailUnexpected(std::string_view expected) const {
  Fail(fmt::format("{} where {} is expected", Shown(Now()), expected));
}

TokenStream::Deeper::Deeper(TokenStream& tokens) : tokens_(tokens) {
  if (tokens_.depth_ >= kMostDepth) tokens_.Fail(fmt::format("nested deeper than {}", kMostDepth));
  ++tokens_.depth_;
}

}  // namespace lockstep::jinja
