#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/syntax/lexer.h"

namespace lockstep::jinja {

// The tokens of a template as a parser goes through them. Never goes past kEnd.
class TokenStream {
 public:
  TokenStream(std::string_view source, std::string_view where)
      : tokens_(Lex(source, where)), where_(where) {}

  const Token& Now() const { return tokens_[at_]; }
  const Token& Next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token Take();

  bool IsName(std::string_view name) const;
  bool IsOperator(std::string_view op) const;
  bool Is(TokenKind kind) const { return Now().kind == kind; }
  bool TakeName(std::string_view name);  // whether it was there
  bool TakeOperator(std::string_view op);

  // Throw BadInput with the place of the token that is there instead.
  void ExpectOperator(std::string_view op);
  void ExpectName(std::string_view name);
  std::string ExpectAnyName();
  void Expect(TokenKind kind);
  [[noreturn]] void Fail(std::string_view why) const { FailAt(Now().place, why); }
  [[noreturn]] void FailAt(Place place, std::string_view why) const { Refuse(where_, place, why); }
  [[noreturn]] void FailUnexpected(std::string_view expected) const;

  // One more part within another, while it lives. Throws BadInput where that goes too deep.
  class Deeper {
   public:
    explicit Deeper(TokenStream& tokens);
    ~Deeper() { --tokens_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    TokenStream& tokens_;
  };

 private:
  std::vector<Token> tokens_;
  std::string where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace lockstep::jinja
