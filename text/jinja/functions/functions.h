#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/renderer.h"
#include "text/jinja/values/value.h"

namespace lockstep::jinja {

// What templates can call by name: Jinja's filters, tests and globals, and the methods of Python's
// str, list, dict and tuple. Those that change a value do not exist, as in a sandbox.

using Filter = Value (*)(Renderer&, const Value&, const Arguments&);
using Test = bool (*)(Renderer&, const Value&, const Arguments&);

// Null where there is none.
Filter FindFilter(std::string_view name);
Test FindTest(std::string_view name);
// Undefined where there is none.
Value GlobalOf(std::string_view name);
Value MethodOf(const Value& self, std::string_view name);

// Whether Python, or Jinja, has a method or a global of this name that we do not have.
bool IsUnsupportedMethod(std::string_view name);
bool IsUnsupportedGlobal(std::string_view name);

// Arguments by the names of the parameters. Throws Fault for one too many, an unknown or missing
// one.
class Bound {
 public:
  struct Signature {
    std::string_view name;
    std::vector<std::string_view> parameters;
    std::size_t required = 0;
  };
  Bound(const Arguments& given, const Signature& signature);

  bool has(std::size_t i) const { return values_[i].has_value(); }
  // Not given: undefined.
  Value operator[](std::size_t i) const { return values_[i].value_or(Value()); }
  const std::string& Text(std::size_t i) const;
  std::optional<std::string> OptionalText(std::size_t i) const;  // None counts as not given
  std::int64_t Integer(std::size_t i, std::int64_t otherwise) const;
  bool Flag(std::size_t i, bool otherwise) const;

 private:
  std::vector<std::optional<Value>> values_;
  std::string name_;
  std::vector<std::string_view> parameters_;
};

// --- What expressions do, too ---

// The values that a loop over it has; a generator is spent by that. Throws Fault.
Values Iterate(Renderer& renderer, const Value& value);
std::int64_t Length(const Value& value);
// As value.name and value[key] in a template. Missing ones are undefined.
Value Attribute(const Value& value, std::string_view name);
Value Item(const Value& value, const Value& key);
// Each bound None where it is left out.
struct SliceBounds {
  Value start, stop, step;
};
Value Slice(const Value& value, const SliceBounds& bounds);
bool Contains(Renderer& renderer, const Value& value, const Value& part);
Value Call(Renderer& renderer, const Value& function, const Arguments& given);

}  // namespace lockstep::jinja
