#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/renderer.h"
#include "text/jinja/syntax/lexer.h"
#include "text/jinja/values/value.h"

namespace lockstep::jinja {

// A fault with its place in the template, which is that of the innermost part that had it.
class PlacedFault : public Fault {
 public:
  PlacedFault(const std::string& what, Place place) : Fault(what), place_(place) {}
  Place place() const { return place_; }

 private:
  Place place_;
};

// A part of a template that has a value.
class Expression {
 public:
  explicit Expression(Place place) : place_(place) {}
  virtual ~Expression() = default;
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  // Throws PlacedFault.
  Value Evaluate(Renderer& renderer) const;
  Place place() const { return place_; }
  int height() const { return height_; }  // of expressions within it

 protected:
  virtual Value Compute(Renderer& renderer) const = 0;
  void Holds(const Expression* part) {
    if (part != nullptr) height_ = std::max(height_, part->height_ + 1);
  }

 private:
  Place place_;
  int height_ = 1;
};
using ExpressionPtr = std::unique_ptr<Expression>;

// What a loop's body does to the loop.
enum class Flow : std::uint8_t { kOn, kBreak, kContinue };

// A part of a template that writes, or sets names.
class Statement {
 public:
  explicit Statement(Place place) : place_(place) {}
  virtual ~Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Flow Execute(Renderer& renderer) const;

 protected:
  virtual Flow Run(Renderer& renderer) const = 0;

 private:
  Place place_;
};
using Block = std::vector<std::unique_ptr<Statement>>;

Flow ExecuteAll(const Block& block, Renderer& renderer);

}  // namespace lockstep::jinja
