#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/json.h"
#include "partition/model/model_spec.h"

namespace lockstep {

// One config.json: the object, its name for messages, and lookups that say what is missing. A null
// counts as missing. All of them throw BadInput for values of another kind.
class ConfigFields {
 public:
  // Both stay the caller's.
  ConfigFields(const Json& object, std::string_view where) : object_(object), where_(where) {}

  // The first of the names that is present: checkpoints of different ages differ in them.
  std::int64_t Int(std::initializer_list<std::string_view> names) const;
  std::int64_t IntOr(std::string_view name, std::int64_t fallback) const;
  double NumberOr(std::string_view name, double fallback) const;
  bool BoolOr(std::string_view name, bool fallback) const;
  std::string StringOr(std::string_view name, std::string_view fallback) const;
  // An activation, of which the forms of GELU are supported.
  GeluKind GeluOr(std::string_view name, std::string_view fallback) const;

  const Json& object() const { return object_; }
  std::string_view where() const { return where_; }

 private:
  const Json& object_;
  std::string_view where_;
};

}  // namespace lockstep
